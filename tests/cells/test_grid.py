"""Axes, cells and codes of small tables written as text."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import pytest

from books_in_text import book_of
from policybook.cells.axes import DiscreteAxis, OrderedAxis, PresenceAxis, TruthAxis
from policybook.cells.grid import MAX_AXES_PER_TERM, MAX_TERMS, Grid
from policybook.diagnostics import Code
from policybook.engine.reference import matching_rows
from policybook.model.faults import FormulaError


def grid(inputs, *whens, values="", head="", era=0, more=""):
    rows = "".join(f"      - {{id: r{i}, clause: 1, when: {{{w}}}, then: {{x: {i}}}}}\n" for i, w in enumerate(whens))
    derived = f"values: {{{values}}}\n" if values else ""
    body = f"{head}inputs: {{{inputs}}}\n{derived}decisions:\n  table:\n    hit_policy: collect\n{more}    outputs: {{x: {{type: integer}}}}\n    rules:\n{rows}"
    book = book_of(body)
    return Grid.of(book, book.decision_by_name["table"], era)


def rows(made, **facts):
    """The rows by codes, having made sure that the reference says the same."""
    got = made.rows_passed(made.cell(facts))
    assert got == matching_rows(made.book, made.decision, made.plain.day, facts)
    return got


MONEY = "a: {type: money, optional: true}, b: {type: money, optional: true}, c: {type: money}"


# Axes


def test_one_form_in_many_guises_is_one_axis():
    made = grid(
        MONEY,
        'a: "<= b"',
        'b: "> a"',
        'gap: "< 0"',
        'twice: "< 2 * b + 10"',
        'a: ">= b - 1/2"',
        values="gap: a - b, twice: 2 * a",
    )
    (axis,) = made.axes
    assert isinstance(axis, OrderedAxis)
    assert [(atom.name, factor) for atom, factor in axis.form] == [("a", 1), ("b", -1)]
    assert axis.cuts == (Fraction(-1, 2), 0, 5)
    assert rows(made, a=Fraction(1), b=Fraction(1)) == (0, 3, 4)
    assert rows(made, a=Fraction(6), b=Fraction(1)) == (4,)
    assert rows(made, a=Fraction(0), b=Fraction(1, 2)) == (0, 1, 2, 3, 4)
    assert rows(made, a=None, b=Fraction(1)) == ()


def test_an_atom_that_cancels_out_still_makes_null():
    made = grid(MONEY, 'gone: "< 5"', values="gone: a - a + c")
    assert rows(made, a=Fraction(1), c=Fraction(1)) == (0,)
    assert rows(made, a=None, c=Fraction(1)) == ()


def test_figures_of_the_era_become_cuts():
    head = "parameters:\n  cap:\n    set_by: company\n    values: [{from: 2025-01-01, value: 10}, {from: 2026-01-01, value: 20}]\n"
    for era, cut in ((1, 10), (2, 20)):
        made = grid("n: {type: number}", 'n: "<= cap"', 'n: "> 2 * cap"', head=head, era=era)
        assert made.axes[0].cuts == (cut, 2 * cut)
    before = grid("n: {type: number}", 'n: "<= cap"', head=head, era=0)
    assert before.axes == ()
    assert before.terms == ((),)


def test_codes_of_an_ordered_axis():
    made = grid("n: {type: number, optional: true}", 'n: "[1..2)"')
    (axis,) = made.axes
    values = [Fraction(0), Fraction(1), Fraction(3, 2), Fraction(2), Fraction(1000), None]
    assert [axis.encode({"n": v}) for v in values] == [0, 1, 2, 3, 4, 5]
    assert [made.cell({"n": v}) for v in values] == [(i,) for i in range(6)]
    assert axis.null_code == 5
    assert [axis.bounds(i) for i in range(5)] == [(None, 1), (1, 1), (1, 2), (2, 2), (2, None)]


def test_kinds_of_axes():
    inputs = "g: {type: enum, values: [x, y, z]}, t: {type: text}, f: {type: boolean, optional: true}, l: {type: list, of: text}, d: {type: date, optional: true}"
    made = grid(inputs, "g: y", 't: \'"a", "b"\'', "f: true", "l: 'contains \"q\"'", "d: null", "l: 'null'")
    kinds = [type(a) for a in made.axes]
    assert kinds == [DiscreteAxis, DiscreteAxis, TruthAxis, TruthAxis, OrderedAxis, PresenceAxis]
    g, t, f, contains, _, _ = made.axes
    assert g.values == ("x", "y", "z")
    assert not g.has_other
    assert t.values == ("a", "b")
    assert t.has_other
    assert (f.size, contains.size) == (3, 2)


def test_numbers_of_any_size_and_denominator_are_exact():
    big = 10**30
    made = grid("n: {type: number}", f'n: "< {big}"', 'n: "[1/3..2/3]"')
    third = Fraction(1, 3)
    for n, wanted in (
        (Fraction(big), ()),
        (Fraction(big) - Fraction(1, 10**30), (0,)),
        (third, (0, 1)),
        (third - Fraction(1, 10**40), (0,)),
        (Fraction(2, 3), (0, 1)),
    ):
        assert rows(made, n=n) == wanted


def test_dates_are_cut_as_days():
    made = grid("d: {type: date}, e: {type: date}", 'd: "<= 2026-03-31"', 'd: "[e - P30D..e)"', 'gap: "> P30D"', values="gap: e - d")
    plain, window = made.axes
    assert plain.cuts == (date(2026, 3, 31).toordinal(),)
    assert window.cuts == (-30, 0)
    day = date(2026, 4, 10)
    assert rows(made, d=day - timedelta(30), e=day) == (0, 1)
    assert rows(made, d=day - timedelta(31), e=day) == (0, 2)
    assert rows(made, d=day, e=day) == ()


# What the random tables meet too seldom


def test_null_equals_null_in_a_formula_but_not_in_a_test():
    made = grid(MONEY, "same: true", "same: false", 'a: "b"', "other: true", values='same: "a = b", other: "a != b"')
    assert rows(made, a=None, b=None) == (0,)
    assert rows(made, a=None, b=Fraction(1)) == (1, 3)
    assert rows(made, a=Fraction(1), b=Fraction(1)) == (0, 2)


def test_the_second_half_of_and_is_not_computed_when_the_first_is_false():
    made = grid("n: {type: number}", "safe: true", "safe: false", values='safe: "n != 0 and 1 / n > 1"')
    assert rows(made, n=Fraction(0)) == (1,)
    assert rows(made, n=Fraction(1, 2)) == (0,)


def test_a_fault_in_any_test_is_a_fault_of_the_request_and_never_no_match():
    made = grid("n: {type: number}, m: {type: number}", 'n: "0"', 'share: "> 1"', 'm: "not(1 / n)"', values="share: m / n")
    for facts in ({"n": Fraction(0), "m": Fraction(1)},):
        with pytest.raises(FormulaError):
            made.cell(facts)
        with pytest.raises(FormulaError):
            matching_rows(made.book, made.decision, made.plain.day, facts)
    assert rows(made, n=Fraction(1), m=Fraction(2)) == (1, 2)


def test_a_fault_is_kept_where_the_comparison_itself_needs_no_axis():
    head = "parameters: {p: {type: number, set_by: company, values: [{from: 2030-01-01, value: 1}]}}\n"
    made = grid("n: {type: number}", 'share: "< p"', values="share: 1 / n", head=head)
    assert made.axes == ()
    assert rows(made, n=Fraction(1)) == ()
    with pytest.raises(FormulaError):
        made.cell({"n": Fraction(0)})


@pytest.mark.parametrize(
    ("inputs", "when", "facts"),
    [
        ("d: {type: date}", 'd: "< d + P30D"', {"d": date(9999, 12, 20)}),
        ("d: {type: date}", 'd: "> d - P30D"', {"d": date(1, 1, 5)}),
        ("d: {type: date}, n: {type: integer}", 'd: "< d + days(n)"', {"d": date(2026, 1, 1), "n": Fraction(4_000_000)}),
        ("d: {type: date}", 'd: "< d + P3000000D"', {"d": date(2026, 1, 1)}),
        ("l: {type: duration}", 'l: "< 5 * l"', {"l": timedelta(days=900_000_000)}),
        ("l: {type: duration}, k: {type: duration}", 'l: "< l + k"', {"l": timedelta(days=900_000_000), "k": timedelta(days=900_000_000)}),
    ],
)
def test_a_date_or_duration_out_of_range_is_a_fault_though_its_form_is_linear(inputs, when, facts):
    made = grid(inputs, when)
    with pytest.raises(FormulaError):
        made.cell(facts)
    with pytest.raises(FormulaError):
        matching_rows(made.book, made.decision, made.plain.day, facts)


def test_a_date_moves_by_whole_days_of_a_duration():
    made = grid(
        "d: {type: date}, e: {type: date}, n: {type: number}", 'd: "e + PT36H"', 'd: "e - PT36H"', 'd: "e + 1.5 * P1D"', 'd: "e + n * P1D"'
    )
    day = date(2026, 1, 10)
    for gap in (-3, -2, -1, 0, 1, 2):
        for n in (Fraction(1), Fraction(3, 2), Fraction(-1, 2)):
            rows(made, d=day + timedelta(gap), e=day, n=n)
    assert rows(made, d=day + timedelta(1), e=day, n=Fraction(3, 2)) == (0, 2, 3)
    assert rows(made, d=day - timedelta(1), e=day, n=Fraction(3, 2)) == (1,)


def test_a_duration_times_a_number_loses_parts_of_a_microsecond():
    made = grid(
        "l: {type: duration}, n: {type: number}, i: {type: integer}",
        'l: ">= n * PT0.000001S"',
        'l: ">= i * PT0.000001S"',
        'l: "<= l / 3 * 3"',
    )
    assert rows(made, l=timedelta(microseconds=1), n=Fraction(3, 2), i=Fraction(2)) == (0,)
    assert rows(made, l=timedelta(microseconds=3), n=Fraction(7, 2), i=Fraction(3)) == (0, 1, 2)
    assert [len(a.atoms) for a in made.axes] == [2, 2, 2]


def test_values_that_double_each_time_are_not_written_out():
    doubling = ", ".join(["v0: a + c", *(f"v{i}: 'max(v{i - 1}, v{i - 1}) + v{i - 1}'" for i in range(1, 40))])
    made = grid(MONEY, 'v39: "> 0"', 'v3: "> 0"', values=doubling)
    assert rows(made, a=Fraction(1), c=Fraction(0)) == (0, 1)
    assert rows(made, a=Fraction(-1), c=Fraction(0)) == ()


def test_a_chain_as_long_as_it_may_be():
    chain = ", ".join(["v0: a + c", *(f"v{i}: v{i - 1} + 1" for i in range(1, 66))])
    made = grid(MONEY, 'v65: "> 65"', values=chain)
    env = {"a": Fraction(1), "c": Fraction(0)}
    for value in made.book.values:
        env[value.name] = env.get(f"v{int(value.name[1:]) - 1}", Fraction(0)) + 1 if value.name != "v0" else Fraction(1)
    assert made.rows_passed(made.cell(env)) == (0,)


# Alternatives


LISTS = "l: {type: list, of: {type: enum, values: [a, b, c, d, e, f, g, h, i, j]}}, m: {type: list, of: {type: enum, values: [a, b, c, d, e, f, g, h, i, j]}}"


def test_alternatives_of_a_row():
    made = grid(
        LISTS, 'l: "contains any (a, b)"', 'l: "contains all (a, b)"', 'l: "not(contains all (a, b))"', 'l: "not(contains any (a, b))"'
    )
    assert [len(t) for t in made.terms] == [2, 1, 2, 1]
    assert rows(made, l=("a",)) == (0, 2)
    assert rows(made, l=("b", "a")) == (0, 1)
    assert rows(made, l=()) == (2, 3)


def test_a_row_with_too_many_alternatives_is_a_finding_at_the_row():
    letters = "a, b, c, d, e, f, g, h, i"
    made = grid(LISTS, f'l: "contains any ({letters})", m: "contains any ({letters})"', 'l: "contains a"')
    (finding,) = made.findings
    assert finding.code is Code.TOO_MANY_ALTERNATIVES
    assert finding.message == f"row `r0` has more than {MAX_TERMS} alternatives (81 when its tests are multiplied out)"
    assert finding.span == made.rows[0].span


def test_a_row_that_tests_too_many_things_is_a_finding():
    count = MAX_AXES_PER_TERM + 1
    made = grid(", ".join(f"n{i}: {{type: integer}}" for i in range(count)), ", ".join(f"n{i}: 1" for i in range(count)))
    assert [f.message for f in made.findings] == [f"row `r0` tests {count} different things; at most {MAX_AXES_PER_TERM} are allowed"]


def test_tests_that_contradict_each_other_leave_no_term():
    made = grid(MONEY, 'a: "< 1", low: "> 2"', 'a: "not(-5, null), null"', values="low: a + 0")
    assert made.terms[0] == ()
    assert rows(made, a=Fraction(0), c=Fraction(0)) == (1,)


def test_each_cell_of_a_row_is_judged_by_the_codes():
    made = grid(MONEY, 'a: "< 1", b: "-", c: "[1..2], 5"')
    cell = made.cell({"a": Fraction(5), "b": None, "c": Fraction(5)})
    assert [made.cell_passed(0, j, cell) for j in range(3)] == [False, True, True]
    assert not made.row_passed(0, cell)


# Words


@pytest.mark.parametrize(
    ("inputs", "when", "en", "zh"),
    [
        (
            "n: {type: money, title: {en: Limit, zh: 授信额}}",
            'n: "[100..200.5)"',
            "Limit from 100.00 CNY up to but not including 200.50 CNY",
            "授信额不低于100.00 CNY且低于200.50 CNY",
        ),
        ("n: {type: integer}", 'n: "> 3"', "n above 3", "n高于3"),
        ("n: {type: percent}", "n: 30%", "n exactly 30%", "n等于30%"),
        ("n: {type: integer, optional: true}", 'n: "not(3)"', "n below 3 or above 3 or not stated", "n低于3或高于3或未填"),
        ("d: {type: date}", 'd: "<= 2026-03-31"', "d at most 2026-03-31", "d不高于2026-03-31"),
        ("d: {type: date}, e: {type: date}", 'd: "[e - P30D..e)"', "d from e - P30D up to but not including e", "d不低于e - P30D且低于e"),
        (
            "a: {type: money}, b: {type: money}, c: {type: money}",
            'sum: "<= 1/3 * c + 5"',
            "a + b at most 1/3 × c + 5.00 CNY",
            "a + b不高于1/3 × c + 5.00 CNY",
        ),
        ("g: {type: enum, values: {x: {en: Ex, zh: 甲}, y: {en: Why, zh: 乙}}}", "g: not(x)", "g: Why or not stated", "g：乙或未填"),
        ("t: {type: text}", "t: 'not(\"a\")'", "t: any other or not stated", "t：其他或未填"),
        ("f: {type: boolean}", "f: true", "f: yes", "f：是"),
        ("l: {type: list, of: text}", "l: 'null'", "l: not stated", "l：未填"),
    ],
)
def test_a_set_of_codes_in_words(inputs, when, en, zh):
    made = grid(inputs, when, values="sum: a + b" if "sum" in when else "")
    ((axis, ranges),) = made.terms[0][0]
    assert made.axes[axis].words(ranges, "en", "CNY") == en
    assert made.axes[axis].words(ranges, "zh", "CNY") == zh
