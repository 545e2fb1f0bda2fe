"""What the comparison of two versions reports, on small books."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from books_in_text import book_of
from policybook.analyse.boxes import Budget
from policybook.analyse.difference import BookDifference, Comparer, difference
from policybook.analyse.difference_words import as_json, period_text, said
from policybook.analyse.inquiry import Asking, Impossible
from policybook.analyse.shown import request_text
from policybook.analyse.space import Judge
from policybook.check.book import check_source, read_beside
from policybook.model.book import Book
from policybook.source import Source

RULES = Path(__file__).resolve().parent.parent.parent / "rules"

BOOK = """
parameters:
  cap: {value: 100, type: money, set_by: company}
inputs:
  grade: {type: enum, values: {a: {en: Best, zh: 优}, b: {en: Fair, zh: 中}, c: {en: Poor, zh: 差}}, title: {en: Grade, zh: 等级}}
  amount: {type: money, min: 0, title: {en: Amount, zh: 金额}}
decisions:
  limit:
    title: {en: Limit, zh: 限额}
    hit_policy: first
    outputs:
      level: {type: enum, values: [low, high], title: {en: Level, zh: 档}}
    rules:
      - {id: large, set_by: company, when: {amount: ">= cap"}, then: {level: high}}
    default: {id: small, set_by: company, then: {level: low}}
  fee:
    title: {en: Fee, zh: 费用}
    hit_policy: unique
    outputs:
      fee: {type: money, title: {en: Fee, zh: 费用}}
      who: {type: text, title: {en: Who, zh: 谁}}
    rules:
      - {id: best, set_by: company, when: {grade: a}, then: {fee: 0, who: '"nobody"'}}
      - {id: low, set_by: company, when: {grade: not(a), limit.level: low}, then: {fee: 1, who: '"clerk"'}}
      - {id: high, set_by: company, when: {grade: not(a), limit.level: high}, then: {fee: 0.01 * amount, who: '"clerk"'}}
"""


def compared(edit: dict[str, str], base: str = BOOK) -> BookDifference:
    """Compare a book with an edited copy of it."""
    text = base
    for old, new in edit.items():
        assert old in text, old
        text = text.replace(old, new)
    return difference(book_of(base), book_of(text))


def told(found: BookDifference, language: str = "en") -> str:
    """Write a difference down in a few lines."""
    out = [n.text.get(language) for n in found.interface]
    for t in found.tables:
        out.append(f"{t.name} {period_text(t.periods, language)}".rstrip() + ":")
        out += [f"  not decided: {u.get(language)}" for u in t.undecided]
        for kind, regions in (("", t.regions), ("perhaps ", t.perhaps)):
            for r in regions:
                words = said(r, found.new, language, 5)
                where = "; ".join(words.common) or "any request"
                if words.either:
                    where += " and either " + " or ".join("; ".join(e) for e in words.either)
                because = f"by {', '.join(r.because)}: " if r.because else ""
                lines = ", ".join(f"{x.output} {x.before} -> {x.after}{f' ({x.by})' if x.by else ''}".strip() for x in words.lines)
                out.append(f"  {kind}{because}{where}: {lines}")
                assert r.asking is None or r.answers is not None
                assert r.answers is None or r.answers[0] != r.answers[1]
    return "\n".join(out) or "equivalent" * found.is_equivalent


# ---------------------------------------------------------------- what is reported


def test_a_threshold_and_what_follows_from_it():
    found = compared({"cap: {value: 100": "cap: {value: 150"})
    assert told(found) == (
        "limit:\n"
        "  Amount from 100.00 CNY up to but not including 150.00 CNY: level high -> low\n"
        "fee:\n"
        "  by limit: Grade: Fair or Poor; before Level: high; now Level: low: fee 0.01 * amount -> 1.00 CNY"
    )
    assert [n.text.en for n in found.notes if n.figure] == ["`cap`: 100.00 CNY → 150.00 CNY"]
    assert request_text(found.tables[0].regions[0].asking, found.new) == '{"amount": 100} as of 2026-01-15'  # type: ignore[arg-type] # confirmed


def test_a_formula_is_compared_as_a_formula():
    assert told(compared({"0.01 * amount": "0.02 * amount"})) == (
        "fee:\n  Grade: Fair or Poor; Level: high: fee 0.01 * amount -> 0.02 * amount (+0.01 × amount)"
    )
    # Rounded to the cent, and never below 100: the same.
    assert told(compared({"0.01 * amount": "if amount < 50 then 7 else amount / 100"})) == "equivalent"
    assert told(compared({"0.01 * amount": "0.01 * amount + 5"})) == (
        "fee:\n  Grade: Fair or Poor; Level: high: fee 0.01 * amount -> 0.01 * amount + 5 (+5.00 CNY)"
    )


def test_conflicts_and_gaps_are_answers_of_their_own():
    found = compared({"when: {grade: a}": "when: {grade: 'a, b'}"})
    assert set(told(found).splitlines()[1:]) == {
        '  Grade: Fair; Level: low: fee 1.00 CNY; who "clerk" -> refused: rows conflict',
        '  Grade: Fair; Level: high: fee 0.01 * amount; who "clerk" -> refused: rows conflict',
    }
    found = compared({"grade: not(a), limit.level: low": "grade: b, limit.level: low"})
    assert told(found) == 'fee:\n  Grade: Poor; Level: low: fee 1.00 CNY; who "clerk" -> no row matches'


def test_dates_are_honoured():
    dated = "values: [{to: 2026-12-31, value: 100}, {from: 2027-01-01, value: 120}]"
    found = compared({"cap: {value: 100": f"cap: {{{dated}"})
    assert told(found).splitlines()[:2] == [
        "limit from 2027-01-01 on:",
        "  Amount from 100.00 CNY up to but not including 120.00 CNY: level high -> low",
    ]
    assert told(found, "zh").splitlines()[:2] == ["limit 2027-01-01起:", "  金额不低于100.00 CNY且低于120.00 CNY: level high -> low"]


def test_days_on_which_the_same_is_found_are_one_stretch():
    found = compared({"cap: {value: 100": "cap: {values: [{to: 2026-12-31, value: 150}, {from: 2027-01-01, value: 150}]"})
    assert [period_text(t.periods) for t in found.tables] == ["", ""]


def test_a_decision_that_only_one_version_makes_on_some_days():
    found = compared({"cap: {value: 100": "cap: {values: [{from: 2027-01-01, value: 100}]"})
    assert told(found) == (
        "limit until 2026-12-31:\n  not decided: only the older version decides then\n"
        "fee until 2026-12-31:\n  not decided: only the older version decides then"
    )


# ---------------------------------------------------------------- what is proved to be no change


REFACTORINGS = {
    "rows in another order": {
        "      - {id: best, set_by: company, when: {grade: a}, then: {fee: 0, who: '\"nobody\"'}}\n": "",
        "      - {id: high, set_by": "      - {id: best, set_by: company, when: {grade: a}, then: {fee: 0, who: '\"nobody\"'}}\n      - {id: high, set_by",
    },
    "an interval split": {
        '      - {id: large, set_by: company, when: {amount: ">= cap"}, then: {level: high}}': (
            '      - {id: large, set_by: company, when: {amount: "[cap..500)"}, then: {level: high}}\n'
            '      - {id: larger, set_by: company, when: {amount: ">= 500"}, then: {level: high}}'
        )
    },
    "a figure for a parameter": {
        '">= cap"': '">= 100"',
        "  cap: {value: 100, type: money, set_by: company}": "  spare: {value: 1, set_by: company}",
    },
    "a row renamed": {"id: large": "id: big"},
    "an input's sentence": {"en: Amount, zh: 金额": "en: Sum, zh: 总额"},
    "a condition that its bound implies": {'amount: ">= cap"': 'amount: "not(< cap)"'},
    "a value of its own": {"decisions:\n": "values:\n  rate: {is: 0.01 * amount}\ndecisions:\n", "fee: 0.01 * amount": "fee: rate"},
    "a negative written out": {"grade: not(a), limit.level: high": "grade: 'b, c', limit.level: high"},
    "a required decision written out": {"limit.level: high": "amount: '>= cap'", "limit.level: low": "amount: '< cap'"},
    "first for unique where rows are apart": {"hit_policy: unique": "hit_policy: first"},
}


@pytest.mark.parametrize("name", REFACTORINGS)
def test_a_refactoring_is_proved_harmless(name):
    found = compared(REFACTORINGS[name])
    assert told(found) == "equivalent"
    assert found.is_equivalent
    assert not found.differs
    if name not in ("a figure for a parameter", "a negative written out"):
        assert found.without_effect


def test_a_decision_taken_out_into_one_of_its_own():
    single = BOOK[: BOOK.index("  limit:")] + BOOK[BOOK.index("  fee:") :].replace("limit.level: low", 'amount: "< cap"').replace(
        "limit.level: high", 'amount: ">= cap"'
    )
    found = difference(book_of(single), book_of(BOOK))
    assert told(found) == "the decision `limit` was added"
    assert not found.tables


# ---------------------------------------------------------------- requests and answers


@pytest.mark.parametrize(
    ("edit", "wanted"),
    [
        (
            {"amount: {type: money, min: 0": "amount: {type: money, min: 10"},
            "`amount` may be at least 10.00 CNY now, at least 0.00 CNY before: the requests between are taken by one version only",
        ),
        ({", c: {en: Poor, zh: 差}": ""}, "`grade` may no longer be `c`: requests with it are refused now"),
        (
            {"c: {en: Poor, zh: 差}": "c: {en: Poor, zh: 差}, d: {en: None, zh: 无}"},
            "`grade` may now be `d`: requests with it were refused before",
        ),
        (
            {"type: money, min: 0, title": "type: money, min: 0, default: 0, title"},
            "`amount` may be left out (then 0) now, and must be stated before",
        ),
        (
            {"who: {type: text, title: {en: Who, zh: 谁}}": "whom: {type: text, title: {en: Who, zh: 谁}}", "who: '": "whom: '"},
            "the output `who` of `fee` is now called `whom`",
        ),
        ({"amount": "total"}, "the input `amount` is now called `total`"),
        ({"limit": "ceiling"}, "the decision `limit` is now called `ceiling`"),
    ],
)
def test_what_requests_and_answers_may_hold(edit, wanted):
    found = compared(edit)
    assert told(found) == wanted
    assert found.differs
    assert not found.is_equivalent
    assert not found.tables


def test_an_input_of_another_type_cannot_be_compared():
    found = compared(
        {"grade: {type: enum, values: {a: {en: Best, zh: 优}, b: {en: Fair, zh: 中}, c: {en: Poor, zh: 差}}": "grade: {type: text"}
        | {"grade: a": "grade: '\"a\"'", "not(a)": "'not(\"a\")'"}
    )
    assert told(found).splitlines()[1:] == [
        "fee:",
        "  not decided: the input `grade` has another type: requests to the two versions cannot be compared",
    ]


def test_a_value_that_was_added_to_an_input_is_not_compared_where_only_one_version_takes_it():
    found = compared(
        {
            "c: {en: Poor, zh: 差}": "c: {en: Poor, zh: 差}, d: {en: None, zh: 无}",
            "when: {grade: a}": "when: {grade: 'a, d'}",
            "not(a)": "'not(a, d)'",
        }
    )
    assert told(found) == "`grade` may now be `d`: requests with it were refused before"


# ---------------------------------------------------------------- lists, sums, faults


LISTS = """
inputs:
  lines:
    type: list
    of: {type: record, fields: {price: {type: money, min: 0}, kind: {type: enum, values: [plain, gift]}}}
values:
  total: {is: sum(charge.due), title: {en: Total, zh: 合计}}
decisions:
  charge:
    for_each: {line: lines}
    hit_policy: first
    outputs: {due: {type: money}}
    rules:
      - {id: gift, set_by: company, when: {line.kind: gift}, then: {due: 0}}
      - {id: plain, set_by: company, when: {}, then: {due: line.price}}
  bill:
    hit_policy: first
    outputs: {free: {type: boolean}}
    rules:
      - {id: none-due, set_by: company, when: {total: 0}, then: {free: true}}
    default: {id: some-due, set_by: company, then: {free: false}}
"""


def test_a_list_is_compared_element_by_element_and_what_follows_from_it():
    found = compared({"then: {due: 0}": "then: {due: 1}"}, LISTS)
    assert told(found).splitlines() == [
        "charge:",
        "  line.kind: gift: due 0.00 CNY -> 1.00 CNY",
        "bill:",
        # Of lists of any length only some things are known: that a larger bill is never free is not one of them.
        "  not decided: whether more follows from what changed in `charge` is not known",
        "  by charge: before Total exactly 0.00 CNY; now sum(charge.due) above 0.00 CNY: free true -> false",
    ]


def test_rows_that_say_the_same_otherwise_over_a_list():
    found = compared({"when: {}, then: {due: line.price}": "when: {line.price: '> 0'}, then: {due: line.price}"}, LISTS)
    assert (
        told(found).partition("\nbill")[0] == "charge:\n  line.kind: plain; line.price exactly 0.00 CNY: due line.price -> no row matches"
    )
    found = compared({"then: {due: line.price}": "then: {due: line.price * 2 - line.price}"}, LISTS)
    assert told(found) == "equivalent"


def test_a_row_of_a_long_list_of_answers_is_told_by_itself():
    inputs = "".join(f"  i{n}: {{type: boolean}}\n" for n in range(24))
    rows = "".join(f"      - {{id: r{n}, set_by: company, when: {{i{n}: true}}, then: {{lacks: {'abc'[n % 3]}}}}}\n" for n in range(24))
    head = "    hit_policy: rule_order\n    outputs: {lacks: {type: enum, values: [a, b, c]}}\n    rules:\n"
    text = f"\ninputs:\n{inputs}decisions:\n  gap:\n{head}{rows}"
    last = "      - {id: r23, set_by: company, when: {i23: true}, then: {lacks: c}}\n"
    assert told(compared({last: last.replace("c}}", "b}}")}, text)) == "gap:\n  i23: yes: lacks [.., c] -> [.., b]"
    both = last.replace("i23: true", "i23: true, i0: true") + last.replace("r23", "r24").replace("i23: true", "i23: true, i0: false")
    assert told(compared({last: both}, text)) == "equivalent"


FAULTS = """
inputs:
  total: {type: number, min: 0}
  parts: {type: integer, min: 0}
decisions:
  share:
    hit_policy: first
    outputs: {large: {type: boolean}}
    rules:
      - {id: large, set_by: company, when: {total: "> 10 * parts"}, then: {large: true}}
    default: {id: small, set_by: company, then: {large: false}}
"""


@pytest.mark.parametrize("least", [0, 1])
def test_a_request_that_has_no_result_in_one_version(least):
    text = FAULTS.replace("parts: {type: integer, min: 0}", f"parts: {{type: integer, min: {least}}}")
    divided = text.replace('{total: "> 10 * parts"}', '{per_part: "> 10"}').replace(
        "decisions:", "values:\n  per_part: {is: total / parts}\ndecisions:"
    )
    found = difference(book_of(text), book_of(divided))
    assert told(found) == ("equivalent" if least else "share:\n  where `parts` is 0: large false -> refused: a formula has no result")


def test_what_was_not_reached_is_said():
    found = difference(book_of(BOOK), book_of(BOOK.replace("cap: {value: 100", "cap: {value: 150")), budget=lambda: Budget(seconds=0.0))
    assert found.is_partial
    assert not found.is_equivalent


# ---------------------------------------------------------------- one table, many times


def test_changed_copies_of_a_table():
    book = book_of(BOOK)
    judge = Judge(book)
    comparer = Comparer(judge)
    limit, fee = book.decisions

    def asked(changed):
        other = replace(book, decisions=tuple(changed if d.name == changed.name else d for d in book.decisions))
        return comparer.compare(changed, lambda: Judge(other))

    assert isinstance(asked(limit), Impossible)
    assert isinstance(asked(replace(limit, rows=())), Asking)
    assert isinstance(asked(replace(fee, rows=fee.rows[::-1])), Impossible)
    assert isinstance(asked(replace(fee, rows=fee.rows[1:])), Asking)
    assert isinstance(asked(replace(fee, rows=(*fee.rows, replace(fee.rows[0], id="again")))), Asking)
    assert isinstance(asked(replace(limit, rows=(*limit.rows, replace(limit.rows[0], id="again")))), Impossible)


# ---------------------------------------------------------------- the real thing


def credit(edit: tuple[str, str] | None = None) -> Book:
    text = (RULES / "credit.yaml").read_text(encoding="utf-8")
    if edit:
        text, count = re.subn(*edit, text, count=1, flags=re.DOTALL)
        assert count == 1
    book, report = check_source(Source("credit.yaml", text), read_beside(RULES)[0])
    assert book is not None, report.render({})
    return book


def test_the_cap_of_a_shipment_over_the_limit():
    found = difference(credit(), credit((r"(over_limit_cap:.*?value: )1/3", r"\g<1>1/4")))
    assert [t.name for t in found.tables] == ["shipment"]
    lines = told(found).splitlines()
    assert len(lines) == 5
    for line in lines[1:]:
        assert "Amount of this shipment below 1/3 × Credit limit; Amount of this shipment from 0.25 × Credit limit" in line
    assert "Position: First over the limit" in lines[1]
    assert "outcome ship_over_limit -> refuse" in lines[1]
    made = as_json(found, "en", 20)
    assert made["differs"]
    assert made["decisions"][0]["regions"][0]["example"]["facts"]["signed_by"] == ["regional_manager"]  # type: ignore[index]
