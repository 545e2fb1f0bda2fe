"""`calendar.yaml` beside the books: weekends, holidays, and the weekend days worked in exchange."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping as Keys
from datetime import date

from policybook.diagnostics import Code, Report, did_you_mean
from policybook.load import keys
from policybook.load.keys import Key
from policybook.load.read import Reader
from policybook.load.yaml import Node, Scalar, Sequence, parse_yaml
from policybook.model.calendar import Calendar, Holiday
from policybook.model.kinds import NO_TEXT, Text
from policybook.source import Source
from policybook.values import parse_date

CALENDAR_FILE = "calendar.yaml"

CALENDAR = {
    "calendar": Key("its name", keys.WORD, required=True),
    "title": Key("what a person calls it", keys.TEXT),
    "weekend": Key("the days of the week that are not worked", keys.WORDS, required=True),
    "years": Key("year -> its holidays and exchanged days", "years", required=True),
}
YEAR = {
    "provisional": Key("true: the notice of exchanged days is still to come", keys.FLAG),
    "holidays": Key("[{title, from, to}, ..]", "holidays", required=True),
    "working_days": Key("weekend days worked in exchange", keys.WORDS),
}
HOLIDAY = {
    "title": Key("what a person calls it", keys.TEXT),
    "from": Key("first day off", keys.WORD, required=True),
    "to": Key("last day off; else the same day", keys.WORD),
}
_YEAR_NAME = re.compile(r"(19|20|21)\d\d\Z", re.ASCII)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def load_calendar(source: Source) -> tuple[Calendar | None, Report]:
    """Read a calendar.

    Returns:
        the calendar (None exactly when there are findings) and all findings
    """
    tree, findings = parse_yaml(source)
    if tree is None:
        return None, Report.of(findings)
    reading = _Reading(source, Reader(source, list(findings)))
    calendar = reading.calendar(tree)
    report = Report.of(reading.reader.findings)
    return (calendar if report.ok else None), report


class _Reading:
    def __init__(self, source: Source, reader: Reader) -> None:
        self.source = source
        self.reader = reader
        self.holidays: list[Holiday] = []
        self.working: set[date] = set()
        self.provisional: set[int] = set()

    def calendar(self, tree: Node) -> Calendar | None:
        found = self.reader.fields(tree, CALENDAR, "a calendar")
        weekend = frozenset(self.weekdays(found))
        years: list[int] = []
        for key, node in self.reader.entries(found.get("years"), "years", names=_YEAR_NAME):
            years.append(int(key.text))
            self.year(int(key.text), node)
        if not years:
            return None
        if sorted(years) != list(range(min(years), max(years) + 1)):
            self.reader.fault(
                Code.BAD_DATES, "the years have a hole", found["years"].span, "a calendar holds every year from its first to its last"
            )
        for day in sorted(self.working):
            if day.isoweekday() not in weekend and not any(h.start <= day <= h.end for h in self.holidays):
                self.reader.fault(
                    Code.BAD_DATES, f"{day} is worked anyway", found["years"].span, "`working_days` holds weekend days worked in exchange"
                )
        title = self.reader.text(found.get("title"), "title")
        return Calendar(
            title=Text(title.en, title.zh) if title else NO_TEXT,
            weekend=weekend,
            years=tuple(sorted(years)),
            provisional=frozenset(self.provisional),
            holidays=tuple(self.holidays),
            working_days=frozenset(self.working),
            digest=hashlib.sha256(self.source.text.encode("utf-8")).hexdigest(),
        )

    def weekdays(self, found: Keys[str, Node]) -> list[int]:
        out = []
        for word in self.reader.words_list(found.get("weekend"), "weekend"):
            if word.text in _WEEKDAYS:
                out.append(_WEEKDAYS.index(word.text) + 1)
            else:
                self.reader.fault(Code.BAD_VALUE, f"there is no day `{word.text[:40]}`", word.span, did_you_mean(word.text, _WEEKDAYS))
        return out

    def year(self, year: int, node: Node) -> None:
        found = self.reader.fields(node, YEAR, f"the year {year}")
        if self.reader.flag(found.get("provisional"), "provisional"):
            self.provisional.add(year)
        listed = found.get("holidays")
        for item in listed.items if isinstance(listed, Sequence) else ():
            entry = self.reader.fields(item, HOLIDAY, "a holiday")
            start = self.day(entry.get("from"), year)
            end = self.day(entry.get("to"), year) if "to" in entry else start
            if start and end and end < start:
                self.reader.fault(Code.BAD_DATES, f"it would end ({end}) before it begins ({start})", item.span)
            elif start and end:
                title = self.reader.text(entry.get("title"), "title")
                self.holidays.append(Holiday(Text(title.en, title.zh) if title else NO_TEXT, start, end))
        for word in self.reader.words_list(found.get("working_days"), "working_days"):
            day = self.day(word, year)
            if day:
                self.working.add(day)

    def day(self, node: Node | None, year: int) -> date | None:
        if not isinstance(node, Scalar):
            return None
        try:
            day = parse_date(node.text)
        except ValueError as e:
            self.reader.fault(Code.BAD_DATES, str(e), node.span, "write a date as `2026-03-25`")
            return None
        if day.year != year:
            self.reader.fault(Code.BAD_DATES, f"{day} is not in {year}", node.span)
            return None
        return day
