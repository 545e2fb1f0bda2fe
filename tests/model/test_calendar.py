"""Working days by the company's calendar."""

import pickle
from datetime import date, timedelta
from pathlib import Path

import chinese_calendar
import pytest
from chinese_calendar.constants import holidays as public_holidays
from hypothesis import given
from hypothesis import strategies as st

from books_in_text import HEAD, ask, book_of, desk_of, write
from policybook import open_books
from policybook.check.book import check_source, read_beside
from policybook.load.calendar import load_calendar
from policybook.model.calendar import Place
from policybook.model.clauses import Beside
from policybook.model.faults import FormulaError
from policybook.source import Source
from policybook.store.reload import Reloader

RULES = Path(__file__).resolve().parents[2] / "rules"
BESIDE, REPORT, TEXTS = read_beside(RULES)
CALENDAR = BESIDE.calendar
SOURCE = next(t for t in TEXTS if t.name.endswith("calendar.yaml"))
LISTED = [y for y in CALENDAR.years if y not in CALENDAR.provisional]
days = st.dates(date(CALENDAR.years[0], 1, 1), date(CALENDAR.years[-1] - 1, 11, 30))


@pytest.mark.parametrize("year", LISTED)
def test_each_year_is_that_of_the_public_calendar(year):
    assert year in {d.year for d in public_holidays}
    day = date(year, 1, 1)
    while day.year == year:
        assert CALENDAR.is_working_day(day) == chinese_calendar.is_workday(day), day
        day += timedelta(days=1)


def test_the_spring_festival_is_counted_over():
    # 13 February 2026 is a Friday; Saturday the 14th is worked in exchange; the festival is 15 to 23 February.
    assert CALENDAR.add_working_days(date(2026, 2, 13), 1) == date(2026, 2, 14)
    assert CALENDAR.add_working_days(date(2026, 2, 13), 2) == date(2026, 2, 24)
    assert CALENDAR.next_working_day(date(2026, 2, 15)) == date(2026, 2, 24)
    assert CALENDAR.working_days_between(date(2026, 2, 13), date(2026, 2, 24)) == 2


@given(days, st.integers(0, 20))
def test_counting_forward_and_between_agree(day, count):
    later = CALENDAR.add_working_days(day, count)
    assert CALENDAR.working_days_between(day, later) == count
    assert count == 0 or CALENDAR.is_working_day(later)


def test_a_year_that_the_calendar_lacks_is_refused():
    with pytest.raises(FormulaError, match="the calendar holds the years 2024 to 2027, not 2028; add it to calendar.yaml"):
        CALENDAR.add_working_days(date(2027, 12, 31), 1)


BODY = """
inputs: {received_on: {type: date}}
values: {due_on: "add_working_days(received_on, 1)"}
decisions:
  deadline:
    hit_policy: first
    outputs: {due: {type: datetime}, late: {type: boolean}}
    rules:
      - {id: late, clause: 1, when: {as_of: "> due_on"}, then: {due: end_of_day(due_on), late: true}}
    default: {id: in-time, clause: 1, then: {due: end_of_day(due_on), late: false}}
"""


def test_a_book_counts_working_days():
    book, report = check_source(Source("book.yaml", HEAD + BODY), Beside(CALENDAR))
    assert book is not None, report
    desk = desk_of(book)
    for as_of, late in ((date(2026, 2, 24), False), (date(2026, 2, 25), True)):
        answer = ask(desk, "deadline", {"received_on": "2026-02-14"}, as_of=as_of)
        assert answer.outputs["late"] is late
        assert answer.outputs["due"].isoformat() == "2026-02-24T15:59:59+00:00"


def test_a_book_that_counts_working_days_needs_a_calendar_and_others_do_not():
    book, report = check_source(Source("book.yaml", HEAD + BODY))
    assert book is None
    (fault,) = report.errors
    assert (fault.code.slug, fault.span.line, fault.help) == ("missing-calendar", 6, "put a `calendar.yaml` beside the book")
    plain = "inputs: {n: {type: integer}}\ndecisions:\n  d:\n    hit_policy: first\n    outputs: {x: {type: integer}}\n    rules: [{id: r, clause: 1, when: {n: 1}, then: {x: n}}]\n"
    assert book_of(plain).version == check_source(Source("book.yaml", HEAD + plain), Beside(CALENDAR))[0].version


def test_a_changed_calendar_is_a_new_version_of_the_books_that_count_by_it(tmp_path):
    write(tmp_path, BODY, "counts")
    (tmp_path / "calendar.yaml").write_text(SOURCE.text)
    store = open_books([tmp_path], now=lambda: None)
    before = store.edition("counts").version
    reloader = Reloader(store, tmp_path, now=lambda: None)
    assert (*reloader.scan(), *reloader.scan()) == ()
    (tmp_path / "calendar.yaml").write_text(SOURCE.text.replace("to: 2026-02-23", "to: 2026-02-24"))
    assert [e.kind for e in (*reloader.scan(), *reloader.scan())] == ["published"]
    assert store.edition("counts").version != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("weekend: [saturday, sunday]", "weekend: [saturday, sonday]"), "there is no day `sonday`"),
        (("from: 2026-02-15", "from: 2026-02-30"), "there is no day `2026-02-30`"),
        (
            ("from: 2026-02-15, to: 2026-02-23", "from: 2026-02-15, to: 2026-02-03"),
            "it would end (2026-02-03) before it begins (2026-02-15)",
        ),
        (("from: 2026-02-15", "from: 2025-02-15"), "2025-02-15 is not in 2026"),
        (("  2025:", "  2035:"), "the years have a hole"),
        (("working_days: [2026-01-04", "working_days: [2026-01-05"), "2026-01-05 is worked anyway"),
        (("  2026:\n    holidays:", "  2026:\n    holiday:"), "the year 2026 has no key `holiday`"),
    ],
)
def test_a_bad_calendar_is_told(change, message):
    text = SOURCE.text.replace(*change)
    assert text != SOURCE.text
    calendar, report = load_calendar(Source("calendar.yaml", text))
    assert calendar is None
    assert message in [f.message for f in report.errors]


def test_a_place_keeps_its_calendar_on_the_way_to_another_process():
    place = pickle.loads(pickle.dumps(Place.of("Asia/Shanghai", CALENDAR)))  # noqa: S301 - our own
    assert place.key == "Asia/Shanghai"
    assert place.working_days == CALENDAR
    assert place.working_days.add_working_days(date(2026, 2, 13), 1) == date(2026, 2, 14)
