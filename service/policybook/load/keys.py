"""The keys of a book, part by part: one table for the loader, for the published JSON Schema and for `policybook fmt`.

Their order here is the order in which `fmt` writes them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it means and in what form it is written."""

    meaning: str
    form: str
    required: bool = False


TEXT = "text"  # {en: .., zh: ..} or one sentence
WORD = "word"
WORDS = "words"  # a word or a list of words
EXPRESSION = "expression"
FLAG = "flag"
COUNT = "count"

LANGUAGES = {"en": Key("English", WORD), "zh": Key("Chinese", WORD)}

SOURCE = {"document": Key("number or numbers", WORDS, required=True)}

EFFECTIVE = {
    "from": Key("first day in force, ISO 8601", WORD),
    "to": Key("last day in force, ISO 8601", WORD),
}

TYPE = {
    "type": Key(
        "money, number, integer, percent, fraction, boolean, enum, text, date, datetime, time, duration, period, list, record, or a name under `types`",
        WORD,
    ),
    "values": Key("of an enum: the allowed values, highest priority first", "enum values"),
    "of": Key("of a list: what it holds", "type"),
    "fields": Key("of a record: its fields", "fields"),
    "min": Key("smallest allowed value, included", EXPRESSION),
    "max": Key("largest allowed value, included", EXPRESSION),
    "default": Key("the value when it is not given", EXPRESSION),
    "optional": Key("true: may be absent or null", FLAG),
    "max_length": Key("of a text: most characters (1000)", COUNT),
    "max_items": Key("of a list: most elements (1000)", COUNT),
    "decimals": Key("of an output: round to so many decimals", COUNT),
    "rounding": Key("of an output: half_up, half_even, up, down", WORD),
    "unit": Key("what it counts: `kVA`, or {en: days, zh: 天}", TEXT),
    "title": Key("what a person calls it", TEXT),
}

PARAMETER = {
    "title": Key("what a person calls it", TEXT),
    "type": Key("its type, when it is not plain from the value", WORD),
    "of": Key("of a list: what it holds", "type"),
    "value": Key("the figure", EXPRESSION),
    "unit": Key("what it counts: `kVA`, or {en: days, zh: 天}", TEXT),
    "clause": Key("the clause that gives it", WORDS),
    "set_by": Key("`company`: the written policy leaves it open", WORD),
    "same_as": Key("the figure of another book that it must equal: `credit.cap`", WORD),
    "effective": Key("days in force", "effective"),
    "values": Key("dated figures: [{from: 2025-01-01, value: 3}, ..]", "dated values"),
    "reading": Key("how an unclear clause was taken, and why", TEXT),
    "note": Key("a remark for readers of the book", TEXT),
}

DATED = {
    "from": Key("first day in force", WORD),
    "to": Key("last day in force; else until the next", WORD),
    "value": Key("the figure", EXPRESSION, required=True),
}

VALUE = {
    "is": Key("the expression", EXPRESSION, required=True),
    "title": Key("what a person calls it", TEXT),
    "unit": Key("what it counts: `kVA`, or {en: days, zh: 天}", TEXT),
}

ROW = {
    "id": Key("unique in the book, kebab-case", WORD, required=True),
    "clause": Key("the written clause or clauses that the row implements", WORDS),
    "set_by": Key("`company`: not from the written policy", WORD),
    "effective": Key("days in force", "effective"),
    "when": Key("input or value -> test; all must pass", "tests"),
    "then": Key("output -> value or expression", "expressions"),
    "says": Key("the row in words", TEXT),
    "reading": Key("how an unclear clause was taken, and why", TEXT),
    "note": Key("a remark for readers of the book", TEXT),
}

ACCEPTANCE = {
    "finding": Key("its name, such as `gap`", WORD, required=True),
    "rows": Key("only where the finding names these rows", WORDS),
    "when": Key("of a gap: only where all these tests pass", "tests"),
    "reason": Key("why it is meant", TEXT, required=True),
}

INVARIANT = {
    "id": Key("unique in the book, kebab-case", WORD, required=True),
    "clause": Key("the written clause that it follows from", WORDS),
    "output": Key("the output that it speaks of", WORD),
    "within": Key("a test that the output always passes", EXPRESSION),
    "never": Key("`rises` or `falls`: what the output does not do", WORD),
    "as": Key("the input that grows, everything else being equal", WORD),
    "along": Key("of an input that is a choice: its values, lowest first", "ranks"),
    "order": Key("of a choice that is answered: its values, lowest first; [a, b] is one rank", "ranks"),
    "where": Key("input or value -> test; it speaks only of such requests", "tests"),
    "in_force": Key("rows, or figures, that take turns", WORDS),
    "exactly": Key("how many of them are in force on each day", COUNT),
    "says": Key("the invariant in words", TEXT),
    "note": Key("a remark for readers of the book", TEXT),
}

DEFAULT_ROW = {k: v for k, v in ROW.items() if k not in ("when", "effective")}

DECISION = {
    "title": Key("what a person calls it", TEXT),
    "question": Key("the question that it answers", TEXT),
    "for_each": Key("{item: list}: ask the table once for each element", "pair"),
    "hit_policy": Key(
        "unique, any, first, priority, collect, rule_order, output_order, collect sum, collect min, collect max, collect count",
        WORD,
        required=True,
    ),
    "outputs": Key("what it answers", "fields", required=True),
    "values": Key("derived values of this decision", "values"),
    "rules": Key("the rows", "rows", required=True),
    "default": Key("the row that answers when no other matches", "default row"),
    "invariants": Key("what always holds of its answers, proved at load", "invariants"),
    "accepts": Key("findings of the analysis that are meant, each with its reason", "acceptances"),
    "must_log": Key("true: a service answers only what it has recorded durably", FLAG),
}

BOOK = {
    "policy": Key("the book's name, the same as the file's", WORD, required=True),
    "title": Key("what a person calls it", TEXT, required=True),
    "source": Key("{document: 12}: which of the written documents", "source"),
    "currency": Key("ISO 4217; needed when money is used", WORD),
    "time_zone": Key("IANA name; it says what day it is (Asia/Shanghai)", WORD),
    "effective": Key("days in force", "effective"),
    "types": Key("named types", "fields"),
    "parameters": Key("the figures somebody may want to change", "parameters"),
    "inputs": Key("the facts that a request may state", "fields"),
    "values": Key("derived values", "values"),
    "decisions": Key("the decision tables", "decisions", required=True),
}

TEST_TABLE = {
    "policy": Key("the book that is asked", WORD, required=True),
    "decision": Key("what the cases ask that name no decision", WORD),
    "as_of": Key("the day of the cases that name none", WORD),
    "note": Key("a remark for readers of the table", TEXT),
    "given": Key("facts of every case", "facts"),
    "cases": Key("the cases", "cases", required=True),
}

CASE = {
    "id": Key("unique in the table", WORD, required=True),
    "decision": Key("what is asked", WORD),
    "as_of": Key("the day of the decision", WORD),
    "given": Key("facts, beside those of every case", "facts"),
    "expect": Key("output -> value", "facts"),
    "expect_items": Key("the outputs of each row that answered", "items"),
    "rows": Key("the rows that answered", WORDS),
    "not_rows": Key("rows that must not have matched", WORDS),
    "expect_status": Key("how it was decided", WORD),
    "expect_error": Key("why it was refused", WORD),
    "review": Key("why the case is to be looked at again", TEXT),
    "note": Key("a remark for readers of the table", TEXT),
}
