"""Write docs/findings.md: each code with what it means, an example that was run, and what to do.

    python tools/findings.py        (make golden does it)

The examples are changes to one small book; the messages on the page are what the checker said to them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from policybook.analyse.findings import table_findings
from policybook.analyse.invariants import invariant_findings
from policybook.analyse.limits import Limits
from policybook.check.book import check_source
from policybook.desk import Desk, Request
from policybook.diagnostics import Code, Finding, Report
from policybook.errors import FactsError
from policybook.model.facts import Raw, RawMoney, Tag
from policybook.source import Source
from policybook.store.reload import make_edition
from policybook.store.versions import Store

TARGET = Path(__file__).resolve().parent.parent / "docs" / "findings.md"
NAME = "gifts.yaml"
DAY = date(2026, 3, 1)

BOOK = """\
policy: gifts
title: {en: Gifts, zh: 礼品}
currency: CNY
parameters:
  petty: {type: money, value: 200, clause: 5.1}
inputs:
  price: {type: money, min: 0}
  kind: {type: enum, values: [tea, wine, other]}
  guests: {type: list, of: text, max_items: 3, default: []}
  heads: {type: integer, min: 0, default: 1}
values:
  a_head: price / heads
decisions:
  approval:
    title: {en: Who approves the gift?, zh: 谁审批?}
    hit_policy: first
    outputs:
      approver: {type: enum, values: [nobody, department_head]}
    rules:
      - id: petty
        clause: 5.1
        when: {a_head: <= petty, kind: not(wine)}
        then: {approver: nobody}
      - id: the-rest
        clause: 5.2
        when: {guests: 'not(contains "nobody")'}
        then: {approver: department_head}
    default: {id: nobody-comes, clause: 5.3, then: {approver: nobody}}
"""

_FACTS: Mapping[str, Raw] = {"price": Raw(Tag.MONEY, RawMoney("150", "")), "kind": Raw(Tag.TEXT, "tea")}


@dataclass(frozen=True)
class Entry:
    """What the page says of one code.

    Args:
        change: (old, new) texts; applied to the book, they make the checker report the code
        facts: changes to the facts of a request that make it refused with the code; None takes a fact away
        shown: the facts as one writes them on the command line
        told: an example that cannot be run here, in words
    """

    means: str
    do: str
    change: tuple[tuple[str, str], ...] = ()
    facts: Mapping[str, Raw | None] = field(default_factory=dict)
    shown: str = ""
    told: str = ""


STAGES = {
    "PB1": ("Reading the text", "The file is not a book yet: what stands where it should not. Reported with line and column."),
    "PB2": ("Checking the meaning", "Every word is where it should be, but names, types, dates or references do not fit together."),
    "PB3": ("Analysis", "The book is consistent; this is what its tables do as a whole."),
    "PB4": (
        "Facts of a request",
        "The book is fine; the request is not. Over gRPC each becomes one field violation of INVALID_ARGUMENT, all at once.",
    ),
    "PB5": ("Test tables", "A file in `rules/tests/` cannot be read as cases."),
}

ENTRIES: dict[Code, Entry] = {
    Code.YAML_SYNTAX: Entry(
        "The text is not YAML: a quote or bracket is not closed, a tab is used to indent, or a test begins with a sign that YAML takes for its own.",
        "Look at the marked place and the line above it. Put a test that begins with `>`, `[` or `-` in quotes.",
        ((": <= petty,", ": > petty,"),),
    ),
    Code.YAML_FEATURE: Entry(
        "Books use plain YAML only: no anchors (`&a`), aliases (`*a`), tags (`!!int`) or several documents in one file.",
        "Write the text out, or give it a name under `types`, `parameters` or `values`.",
        (("value: 200", "value: &two 200"),),
    ),
    Code.TOO_LARGE: Entry(
        "The file is too large, too deep or has too many parts to be a book that people read; or a value stands on too much.",
        "Split the book by domain; let a value use what the others rest on.",
        told="A file of 50 MB; a list nested a hundred deep; values that stand on values, 200 steps deep; more than 10 inputs multiplied with one another.",
    ),
    Code.UNKNOWN_KEY: Entry(
        "A key that this place does not have, mostly a slip.", "Take the name that is suggested.", (("hit_policy:", "hit_polcy:"),)
    ),
    Code.MISSING_KEY: Entry("Something that must be said is not.", "Add the key.", (("\n    hit_policy: first", ""),)),
    Code.WRONG_SHAPE: Entry(
        "A list stands where a mapping should, or a text where a list should.",
        "Compare the place with the example in [language.md](language.md).",
        (("{approver: nobody}", "nobody"),),
    ),
    Code.DUPLICATE_KEY: Entry(
        "The same key twice. YAML would silently keep the last one.",
        "Remove one; two tests of one value in a row become one test: `[5..10]`.",
        (("kind: not(wine)", "a_head: 0"),),
    ),
    Code.BAD_NAME: Entry(
        "A name that is not written as names are: `snake_case` for names, `kebab-case` for ids of rows, and the book named as its file.",
        "Use small letters, digits and `_` (`-` in row ids).",
        (("id: the-rest", "id: The Rest"),),
    ),
    Code.BAD_VALUE: Entry(
        "A setting of the book with a value that it cannot have: a currency, a time zone, a clause number, a limit.",
        "Write it as the message says.",
        (("CNY", "yuan"),),
    ),
    Code.BAD_EXPRESSION: Entry(
        "A test or expression that does not follow the grammar.",
        "The mark stands where it stops making sense. Brackets, commas and operators are the usual suspects.",
        (("<= petty,", "< = petty,"),),
    ),
    Code.EMPTY: Entry(
        "There is nothing in the file.",
        "Begin with `policy:`; the shortest book is in [language.md](language.md).",
        ((BOOK, "# nothing yet\n"),),
    ),
    Code.NOT_TEXT: Entry(
        "The file is not UTF-8 text, or holds characters that no text has, or line breaks that nobody sees (U+2028, U+2029, U+0085).",
        "Save it as UTF-8 (in a spreadsheet or editor: *Save as*, encoding UTF-8); remove the character.",
        (("Gifts", "Gifts\x00"),),
    ),
    Code.UNKNOWN_NAME: Entry(
        "A name that is neither an input, a parameter, a value, a decision's output nor an enum value.",
        "Take the name that is suggested, or declare it.",
        (("<= petty", "<= pety"),),
    ),
    Code.DUPLICATE_NAME: Entry(
        "A name or row id is used twice; ids are unique in a book, because answers and logs cite them.",
        "Rename one of the two.",
        (("id: the-rest", "id: petty"),),
    ),
    Code.WRONG_TYPE: Entry(
        "Two values of different types are compared or calculated with, or an output gets something else than it declares.",
        "Compare like with like; the message names both types.",
        (("a_head: <= petty", "a_head: <= 2026-01-01"),),
    ),
    Code.CYCLE: Entry(
        "A value, type or decision needs itself, directly or through others.",
        "Break the circle: one of them must be an input.",
        (("price / heads", "a_head / heads"),),
    ),
    Code.MISSING_CLAUSE: Entry(
        "A row or figure cites no written clause and is not marked as the company's own.",
        "Add `clause:`, or `set_by: company` where the source leaves it open.",
        (("        clause: 5.2\n", ""),),
    ),
    Code.BAD_DATES: Entry(
        "A date that does not exist, a span that ends before it begins, or two values of one figure in force on the same day.",
        "Write dates as `2026-03-25`; let each dated value begin on a day of its own.",
        (("clause: 5.2", "clause: 5.2\n        effective: {from: 2026-02-30}"),),
    ),
    Code.OUT_OF_BOUNDS: Entry(
        "A default or constant outside the bounds that are declared for it, or more rows, items or digits than are allowed.",
        "Change the value or the bounds.",
        (("min: 0, default: 1", "min: 0, default: -1"),),
    ),
    Code.MISSING_OUTPUT: Entry(
        "A row leaves out an output that has no default.",
        "Say it under `then`, or give the output `default:` or `optional: true`.",
        (("then: {approver: nobody}", "then: {}"),),
    ),
    Code.HIT_POLICY: Entry(
        "There is no such hit policy, or the table lacks what it needs: `priority` an enum output, `collect sum` something to add up.",
        "Choose one from the table in [language.md](language.md#hit-policies).",
        (("hit_policy: first", "hit_policy: firts"),),
    ),
    Code.DIVISION_BY_ZERO: Entry(
        "A division whose divisor is always zero.",
        "Change the divisor. A divisor that may be zero is refused per request instead (PB407).",
        (("price / heads", "price / 0"),),
    ),
    Code.TOO_MANY_ALTERNATIVES: Entry(
        "A row whose tests, multiplied out, give too many combinations, or that tests too many different things.",
        "Split the row, or decide a part of it in a value or decision of its own.",
        told="A row with ten tests of ten alternatives each.",
    ),
    Code.MISSING_CURRENCY: Entry(
        "Money is used, but the book does not say in which currency.", "Add `currency: CNY` at the top.", (("currency: CNY\n", ""),)
    ),
    Code.UNKNOWN_CLAUSE: Entry(
        "A row or figure cites a clause that `clauses.yaml` beside the book does not hold.", "Correct the number.", told="`clause: 12.99`"
    ),
    Code.AMBIGUOUS_NAME: Entry(
        "A bare word that is both a value of the enum expected here and the name of something else. It is read as the value; a warning.",
        "Rename the other thing.",
        (("  heads: {", "  nobody: {type: enum, values: [nobody, department_head]}\n  heads: {"),),
    ),
    Code.MISSING_CALENDAR: Entry(
        "The book counts working days, and there is no `calendar.yaml` beside it to count them by.",
        "Add the company's calendar to the folder of the books.",
        (("values:\n", "values:\n  due: add_working_days(as_of, 3)\n"),),
    ),
    Code.CHANGED_CLAUSE: Entry(
        "The text of a cited clause in `clauses.yaml` is no longer the one that the rows were last read against (`clauses.lock`).",
        "Read the row against the new text, mend it if need be, then run `policybook clauses --accept`.",
        told='A clause\'s "three days" is amended to "five days" while a row that cites it still says three.',
    ),
    Code.UNQUOTED_FIGURE: Entry(
        "A figure of a row or parameter occurs in no clause that it cites. Chinese numerals, percentages and fractions are understood.",
        "Cite the clause that states it, or mark it `set_by: company`.",
        told="`cap: {value: 1/4, clause: 12.2.2.1.1}` where the clause says one third.",
    ),
    Code.FIGURES_DIFFER: Entry(
        "A figure is said to be that of another book ([`same_as`](language.md#figures-of-two-books)), and on some day it is not; or that figure is not there.",
        "Change both. Where they are two things, take `same_as` out.",
        told="`settle_within: {value: 5, same_as: penalties.settle_within}` where the book of penalties says 3.",
    ),
    Code.ENGINE_DISAGREES: Entry(
        "The rule engine and a plain reading of the table gave different rows for the same facts. The book is not served.",
        "This is a fault of policybook or of the engine, not of the book: report it with the book.",
        told="It has not been seen; the check runs at every load so that it never goes unseen.",
    ),
    Code.NEVER_FIRES: Entry(
        "No request passes all tests of a row: they contradict each other, ask for what an input cannot be, or cannot hold together.",
        "Mend its tests, or take the row out.",
        (("{a_head: <= petty, kind: not(wine)}", '{a_head: <= petty, price: "< 0"}'),),
    ),
    Code.GAP: Entry(
        "Requests that no row decides, of a table with one answer and no default. The example is such a request; the row that is missing is "
        "written out, its answer is for you to say. A gap that is meant is accepted in the book (`accepts`), with its reason.",
        "Add the row or a `default`, or accept the gap.",
        (("    default: {id: nobody-comes, clause: 5.3, then: {approver: nobody}}\n", ""),),
    ),
    Code.CONFLICT: Entry(
        "Two rows of a `unique` table match the same request, or two of an `any` table that disagree. Such a request is refused.",
        "Narrow one of the rows, or take another hit policy.",
        (("hit_policy: first", "hit_policy: unique"),),
    ),
    Code.OVERLAP: Entry(
        "Two rows match the same requests, and the hit policy says which one answers. Only worth knowing (`policybook check --notes`).",
        "Nothing, where it is meant.",
        (("then: {approver: department_head}", "then: {approver: department_head}"),),
    ),
    Code.SHADOWED: Entry(
        "A row that matches and never answers: of a `first` table the rows above it always answer before, one of them or several together; of a "
        "`priority` table better ones. Of a default it is a note: it may stay as a net below later edits.",
        "Move it up, narrow the rows above it, or take it out.",
        (("{a_head: <= petty, kind: not(wine)}", '{a_head: ">= 0, < 0"}'),),
    ),
    Code.DUPLICATE_ROW: Entry(
        "Two rows match the same requests and give the same.",
        "Keep one of the two.",
        (
            ("{guests: 'not(contains \"nobody\")'}", '{kind: [tea, other], a_head: "<= 200"}'),
            ("then: {approver: department_head}", "then: {approver: nobody}"),
        ),
    ),
    Code.MERGEABLE_ROWS: Entry(
        "Two rows say the same by the same clause and differ in one test only: one row could say both.",
        "Write them as one, if they are one thought.",
        (
            ("{a_head: <= petty, kind: not(wine)}", "{a_head: <= petty, kind: tea}"),
            (
                "clause: 5.2\n        when: {guests: 'not(contains \"nobody\")'}",
                "clause: 5.1\n        when: {a_head: <= petty, kind: other}",
            ),
            ("then: {approver: department_head}", "then: {approver: nobody}"),
        ),
    ),
    Code.BOUNDARY_LEFT_OUT: Entry(
        "One row ends before a value and the next begins after it: the value itself is decided by neither.",
        "Let one of the two include it: `<=` for `<`, `[` for `(`.",
        (
            ("{a_head: <= petty, kind: not(wine)}", "{a_head: < petty}"),
            ("{guests: 'not(contains \"nobody\")'}", '{a_head: "> petty"}'),
            ("    default: {id: nobody-comes, clause: 5.3, then: {approver: nobody}}\n", ""),
        ),
    ),
    Code.BOUNDARY_SHARED: Entry(
        "Two rows have only the value in common at which one ends and the other begins, and the hit policy settles it. Only worth knowing.",
        "Say which of the two has it, so that a reader need not know the hit policy.",
        (
            ("{a_head: <= petty, kind: not(wine)}", "{a_head: <= petty}"),
            ("{guests: 'not(contains \"nobody\")'}", '{a_head: ">= petty"}'),
        ),
    ),
    Code.UNUSED_VALUE: Entry(
        "No row answers one of the values that an output may have. Only worth knowing.",
        "Take the value out, or add the row that gives it.",
        (("values: [nobody, department_head]", "values: [nobody, department_head, director]"),),
    ),
    Code.UNDECIDED: Entry(
        "A question about a table that could not be decided either way: products of two unknown amounts, or functions of lists of any length.",
        "Write the value in a simpler way, or test the case by hand; a note that is known may be accepted.",
        told="Whether `floor(files / count(sharers)) * count(sharers) <= files` for every list of sharers.",
    ),
    Code.PARTIAL: Entry(
        "A table has so many different cells that the time allowed did not reach all of them. What was found holds; more may be there.",
        "Allow more time (`policybook check --seconds`), or split the table.",
        told="A thousand rows of ten columns that overlap in every way.",
    ),
    Code.UNNEEDED_ACCEPTANCE: Entry(
        "The book accepts a finding that is not found, or not found any more.",
        "Take it out of `accepts`, so that the next such finding is seen.",
        (("    default: {", "    accepts:\n      - {finding: gap, reason: {en: Seldom., zh: 少见。}}\n    default: {"),),
    ),
    Code.INVARIANT_REFUTED: Entry(
        "The book says that something always holds of its answers ([invariants](language.md#invariants)), and here is a request, or are two,"
        " for which it does not. Such a book is not served.",
        "Mend the rows that are named; or the invariant, where the policy means it so.",
        (
            (
                "    default: {",
                (
                    "    invariants:\n"
                    "      - {id: larger-party-never-lower, output: approver, never: falls, as: heads, order: [nobody, department_head]}\n"
                    "    default: {"
                ),
            ),
        ),
    ),
    Code.INVARIANT_UNDECIDED: Entry(
        "An invariant was neither proved nor refuted in the time allowed. The book is served.",
        "Say it of fewer requests (`where`), or keep it as cases of a test table.",
        told="Whether `floor(files / count(sharers))` never falls as `files` grows.",
    ),
    Code.UNUSED: Entry(
        "An input, figure or value that no decision uses. A warning: the book is served all the same.",
        "Remove it, or use it.",
        (("values:\n", "values:\n  twice: 2 * price\n"),),
    ),
    Code.MISSING_FACT: Entry("A fact that the decision needs was not sent.", "Send it.", facts={"price": None}, shown="kind=tea"),
    Code.UNKNOWN_FACT: Entry(
        "A fact that the book does not know, mostly a slip.",
        "Take the name that is suggested.",
        facts={"prise": Raw(Tag.DECIMAL, "1")},
        shown="kind=tea price=150 prise=1",
    ),
    Code.FACT_TYPE: Entry(
        "A fact of another type than the input, or a text that its type does not allow.",
        "Send the type that `GetDecisionDefinition` names.",
        facts={"kind": Raw(Tag.TEXT, "coffee")},
        shown="kind=coffee price=150",
    ),
    Code.FACT_BOUNDS: Entry(
        "A fact below `min` or above `max`.",
        "Correct the fact; if it is right, the bounds are not.",
        facts={"heads": Raw(Tag.DECIMAL, "-1")},
        shown="kind=tea price=150 heads=-1",
    ),
    Code.FACT_CURRENCY: Entry(
        "Money in another currency than the book's. Nothing is converted.",
        "Convert it, by a rate that you answer for.",
        facts={"price": Raw(Tag.MONEY, RawMoney("150", "USD"))},
        shown="kind=tea price='150 USD'",
    ),
    Code.FACT_SIZE: Entry(
        "A text or list longer than the input allows.",
        "Send less, or raise `max_length` or `max_items` of the input.",
        facts={"guests": Raw(Tag.LIST, tuple(Raw(Tag.TEXT, g) for g in ("a", "b", "c", "d")))},
        shown="kind=tea price=150 guests='[a, b, c, d]'",
    ),
    Code.FACT_ARITHMETIC: Entry(
        "These facts lead to a calculation that has no result: a division by zero, a date beyond the year 9999.",
        "Correct the fact that is named, or guard the formula with `if .. then .. else`.",
        facts={"heads": Raw(Tag.DECIMAL, "0")},
        shown="kind=tea price=150 heads=0",
    ),
    Code.TEST_TABLE: Entry(
        "A case names a decision, fact, output or row that the book does not have, or the file is not a test table.",
        "Correct the case; the format is in [testers.md](testers.md).",
        told="`expect: {aprover: nobody}`",
    ),
}


def page() -> str:
    """Return docs/findings.md as it should be.

    Raises:
        SystemExit: a code without an entry, or an example that does not give its code
    """
    missing = [code.name for code in Code if code not in ENTRIES]
    if missing:
        raise SystemExit(f"tools/findings.py has no entry for {', '.join(missing)}")
    out = [
        "<!-- Written by tools/findings.py (`make golden`); do not edit. -->",
        "# Findings",
        "",
        "What policybook says about a book, a request or a test table, by code. A code and its name are never reused, so they may be",
        "searched for, counted and filtered. Errors keep a book from being served (but for PB305, where only the requests that meet it are",
        "refused); warnings and notes do not.",
        "",
        "Most examples are changes to this book, which is without findings:",
        "",
        "```yaml",
        BOOK.rstrip(),
        "```",
    ]
    book, report_of_book = check_source(Source(NAME, BOOK))
    if len(report_of_book) or book is None or table_findings(book):
        raise SystemExit(report_of_book.render({NAME: Source(NAME, BOOK)}))
    for stage, codes in itertools.groupby(Code, key=lambda code: code.number[:3]):
        title, text = STAGES[stage]
        out += ["", f"## {stage}xx {title}", text]
        for code in codes:
            out += ["", *_entry(code, ENTRIES[code])]
    return "\n".join(out) + "\n"


def _entry(code: Code, entry: Entry) -> list[str]:
    out = [f"### {code.number} {code.slug}", entry.means, ""]
    if entry.change:
        changed = BOOK
        for old, new in entry.change:
            if old not in changed:
                raise SystemExit(f"{code.number}: `{old}` does not stand in the book")
            changed = changed.replace(old, new, 1)
        source = Source(NAME, changed)
        book, report = check_source(source)
        if book is not None:
            report += Report.of([*table_findings(book, limits=Limits(notes=True)), *invariant_findings(book)])
        out += ["```text", _shown(code, report, source), "```"]
    elif entry.facts:
        out += ["```console no-run", f"$ policybook decide gifts.approval {entry.shown}", _shown(code, _refusal(entry.facts), None), "```"]
    else:
        out += [f"For example: {entry.told}"]
    return [*out, "", f"**What to do:** {entry.do}"]


def _shown(code: Code, report: Report, source: Source | None) -> str:
    found: list[Finding] = [f for f in report if f.code is code]
    if not found:
        raise SystemExit(f"{code.number} {code.slug}: its example gives {[f.code.number for f in report]}")
    text = Report.of(found[:1]).render({NAME: source} if source else {})
    return text.replace("\x00", "�")


def _refusal(facts: Mapping[str, Raw | None]) -> Report:
    book, _ = check_source(Source(NAME, BOOK))
    if book is None:
        raise SystemExit("the book of the examples has errors")
    store = Store()
    now = datetime(2026, 3, 1, tzinfo=UTC)
    store.publish(make_edition(book, now))
    desk = Desk(store, now=lambda: now, new_id=lambda: "example")
    sent = {name: raw for name, raw in {**_FACTS, **facts}.items() if raw is not None}
    try:
        desk.decide(Request(decision="gifts.approval", facts=sent, as_of=DAY))
    except FactsError as refused:
        return refused.report
    return Report(())


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    print(f"{TARGET.name}: {len(Code)} codes")
