"""The company's calendar: which days are worked. Years that it does not hold are refused, never guessed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from policybook.model.faults import FormulaError
from policybook.model.kinds import Text


@dataclass(frozen=True, slots=True)
class Holiday:
    """Days off, both ends included."""

    title: Text
    start: date
    end: date


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Weekends, public holidays, and the weekend days worked in exchange.

    Args:
        weekend: ISO weekdays, 1 Monday to 7 Sunday
        years: the years it holds, without a hole
        provisional: those whose notice of exchanged days is still to come
        digest: hex SHA-256 of the text; part of the version of every book that counts working days
    """

    title: Text
    weekend: frozenset[int]
    years: tuple[int, ...]
    provisional: frozenset[int]
    holidays: tuple[Holiday, ...]
    working_days: frozenset[date]
    digest: str = field(repr=False)

    @cached_property
    def days_off(self) -> frozenset[date]:
        days: set[date] = set()
        for holiday in self.holidays:
            count = (holiday.end - holiday.start).days + 1
            days.update(holiday.start + timedelta(days=i) for i in range(count))
        return frozenset(days)

    def is_working_day(self, day: date) -> bool:
        """Tell whether a day is worked.

        Raises:
            FormulaError: a year that the calendar does not hold
        """
        if not self.years[0] <= day.year <= self.years[-1]:
            raise FormulaError(f"the calendar holds the years {self.years[0]} to {self.years[-1]}, not {day.year}; add it to calendar.yaml")
        if day in self.working_days:
            return True
        return day not in self.days_off and day.isoweekday() not in self.weekend

    def add_working_days(self, day: date, count: int) -> date:
        """Return the count-th working day after a day, the day itself not counted; 0 gives the day itself."""
        while count > 0:
            day += timedelta(days=1)
            if self.is_working_day(day):
                count -= 1
        return day

    def next_working_day(self, day: date) -> date:
        """Return the day itself when it is worked, else the first worked one after it."""
        while not self.is_working_day(day):
            day += timedelta(days=1)
        return day

    def working_days_between(self, start: date, end: date) -> int:
        """Count the working days after start up to and including end; negative when end is earlier."""
        if end < start:
            return -self.working_days_between(end, start)
        return sum(self.is_working_day(start + timedelta(days=i)) for i in range(1, (end - start).days + 1))


class Place(ZoneInfo):
    """A time zone that also knows the company's working days: where, and by which calendar, a book counts time."""

    calendar: Calendar | None = None

    @classmethod
    def of(cls, key: str, calendar: Calendar | None) -> Place:
        """Make a place of its own; the cache of ZoneInfo would share one among calendars."""
        place = cls.no_cache(key)
        place.calendar = calendar
        return place

    def __reduce__(self) -> tuple[object, ...]:
        # ZoneInfo would go to another process by its key alone, and come out without the calendar.
        return (Place.of, (self.key, self.calendar))

    @property
    def working_days(self) -> Calendar:
        """The calendar.

        Raises:
            FormulaError: the book has none
        """
        if self.calendar is None:
            raise FormulaError("there is no calendar.yaml beside the book to count working days by")
        return self.calendar
