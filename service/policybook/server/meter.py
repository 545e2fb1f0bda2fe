"""What one process counts: calls, decisions, rows, and requests that come close to a threshold.

Plain whole numbers in dicts, added to where an answer is made, for which a microsecond is much; whoever asks gets a copy. What is
counted has few names: methods, decisions, rows and thresholds of the books.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np

from policybook.decide.near import Near, Seen
from policybook.desk import Sheet
from policybook.model.answer import Answer, Outcome
from policybook.model.book import Decision, Row
from policybook.store.versions import Edition
from policybook.values import Value

# Seconds; a decision takes tens of microseconds, a batch of ten thousand some tenths of a second.
BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Sample(NamedTuple):
    """One number: the family it belongs to, the values of the family's labels, and of a histogram the buckets."""

    family: str
    labels: tuple[str, ...]
    value: float
    buckets: tuple[int, ...] = ()


@dataclass(slots=True)
class _Durations:
    buckets: list[int]
    total_s: float = 0.0


class _Answers:
    """The answers of one decision: by outcome, and by row that gave them."""

    __slots__ = ("decided", "no_match", "rows")

    def __init__(self) -> None:
        self.decided = 0
        self.no_match = 0
        self.rows: dict[str, int] = {}

    def add(self, outcome: Outcome, selected: Sequence[Row], count: int) -> None:
        if outcome is Outcome.DECIDED:
            self.decided += count
        else:
            self.no_match += count
        rows = self.rows
        for row in selected:
            rows[row.id] = rows.get(row.id, 0) + count


class Meter:
    """Counts for one process. Added to by the event loop and its helpers' threads, read by any.

    Args:
        near_percent: how close to a threshold a quantity counts as near, in percent of it; 0: nothing is looked at
    """

    def __init__(self, near_percent: int) -> None:
        # Without it two threads would now and then count one for two.
        self._lock = threading.Lock()
        self._near = Near(near_percent) if near_percent else None
        self._answers: dict[tuple[str, str], _Answers] = {}
        self._calls: dict[tuple[str, str], int] = {}
        self._durations: dict[str, _Durations] = {}
        self._refusals: dict[str, int] = {}

    def called(self, method: str, code: str, seconds: float, reason: str = "") -> None:
        """Count a call, and why it was refused."""
        if reason:
            self.refused(reason)
        key = (method, code)
        with self._lock:
            self._calls[key] = self._calls.get(key, 0) + 1
            durations = self._durations.get(method)
            if durations is None:
                durations = self._durations[method] = _Durations([0] * (len(BUCKETS) + 1))
            durations.buckets[bisect_left(BUCKETS, seconds)] += 1
            durations.total_s += seconds

    def refused(self, reason: str) -> None:
        """Count a call, or an item of a batch or stream, that got no answer."""
        with self._lock:
            self._refusals[reason] = self._refusals.get(reason, 0) + 1

    def answered(self, answer: Answer) -> None:
        """Count one answer."""
        with self._lock:
            self._of(answer.policy, answer.decision.name).add(answer.outcome, answer.selected, 1)

    def answered_sheet(self, sheet: Sheet) -> None:
        """Count many answers at once."""
        many = sheet.many
        counts = np.bincount(many.group, minlength=len(many.settled))
        for row in sheet.errors:
            counts[many.group[row]] -= 1
        with self._lock:
            answers = self._of(sheet.edition.book.name, sheet.decision.name)
            for settled, count in zip(many.settled, counts.tolist(), strict=True):
                if count > 0:
                    answers.add(settled.outcome, settled.selected, count)

    def looked(self, edition: Edition, decision: Decision, as_of: date, env: Mapping[str, Value]) -> None:
        """Count how close a request was to thresholds."""
        if self._near is not None:
            self._near.count(edition.decider, decision, as_of, env)

    def looked_at_all(self, edition: Edition, decision: Decision, as_of: date, seen: Seen) -> None:
        """Count how close requests that were decided together were to thresholds."""
        if self._near is not None:
            self._near.count_all(edition.decider, decision, as_of, seen)

    def _of(self, policy: str, decision: str) -> _Answers:
        key = (policy, decision)
        found = self._answers.get(key)
        if found is None:
            found = self._answers[key] = _Answers()
        return found

    def samples(self) -> Iterator[Sample]:
        """Return all that was counted."""
        with self._lock:
            answers = [(f"{p}.{d}", a.decided, a.no_match, dict(a.rows)) for (p, d), a in self._answers.items()]
            calls, refusals = list(self._calls.items()), list(self._refusals.items())
            durations = [(method, d.total_s, tuple(d.buckets)) for method, d in self._durations.items()]
        for decision, decided, no_match, rows in answers:
            yield Sample("policybook_decisions_total", (decision, "decided"), decided)
            yield Sample("policybook_decisions_total", (decision, "no_match"), no_match)
            for row, count in rows.items():
                yield Sample("policybook_rules_total", (decision, row), count)
        for decision, quantity, threshold, under, over in self._near.counts() if self._near is not None else ():
            yield Sample("policybook_near_threshold_total", (decision, quantity, threshold, "under"), under)
            yield Sample("policybook_near_threshold_total", (decision, quantity, threshold, "over"), over)
        for labels, count in calls:
            yield Sample("policybook_requests_total", labels, count)
        for method, total_s, buckets in durations:
            yield Sample("policybook_request_duration_seconds", (method,), total_s, buckets)
        for reason, count in refusals:
            yield Sample("policybook_refusals_total", (reason,), count)


@dataclass(frozen=True, slots=True)
class Family:
    """What a number is: its kind (counter, gauge or histogram), its labels and a sentence."""

    kind: str
    labels: tuple[str, ...]
    help: str


FAMILIES: Mapping[str, Family] = {
    "policybook_requests_total": Family("counter", ("method", "code"), "Calls that ended, by method and gRPC status code."),
    "policybook_request_duration_seconds": Family("histogram", ("method",), "How long calls took in the service; streams until their end."),
    "policybook_requests_active": Family("gauge", (), "Calls in progress."),
    "policybook_refusals_total": Family(
        "counter", ("reason",), "Calls, and items of batches and streams, that got no answer, by the reason of their ErrorInfo."
    ),
    "policybook_decisions_total": Family("counter", ("decision", "outcome"), "Answers made, by decision and outcome."),
    "policybook_rules_total": Family("counter", ("decision", "row"), "Times that a row of a table gave the answer or a part of it."),
    "policybook_near_threshold_total": Family(
        "counter",
        ("decision", "quantity", "threshold", "side"),
        "Requests that lay just under or just over a threshold (near_percent): many under and few over is bunching.",
    ),
    "policybook_log_waiting": Family("gauge", (), "Decisions that wait to be written to the decision log."),
    "policybook_log_recorded_total": Family("counter", (), "Decisions written to the decision log."),
    "policybook_log_not_recorded_total": Family("counter", (), "Answers given out without a record."),
    "policybook_log_refused_total": Family("counter", (), "Answers not given out because they could not be recorded."),
    "policybook_log_failing": Family("gauge", (), "1 while nothing can be written to the decision log."),
    "policybook_challenged_total": Family("counter", ("policy", "version"), "Decisions compared with those of a challenger."),
    "policybook_challenged_different_total": Family("counter", ("policy", "version"), "Of those, decided otherwise by the challenger."),
    "policybook_books_info": Family("gauge", ("digest",), "1 for the content hash of all books in service; ListPolicies has it too."),
    "policybook_book_info": Family("gauge", ("policy", "version"), "1 for the version of each policy in service."),
    "policybook_book_load_time_seconds": Family("gauge", ("policy",), "When the version in service was loaded, in seconds since 1970."),
    "policybook_cells_remembered": Family("gauge", ("policy",), "Cells whose rows are remembered."),
    "policybook_reloads_total": Family("counter", ("result",), "Changed books: published, refused, withdrawn."),
    "policybook_books_stale_seconds": Family(
        "gauge", (), "How long an edited book has been refused while the one before goes on; 0: none is."
    ),
    "policybook_certificate_expiry_time_seconds": Family(
        "gauge", (), "When the certificate that new connections get expires, in seconds since 1970."
    ),
    "policybook_workers": Family("gauge", (), "Processes that serve."),
    "policybook_worker_restarts_total": Family("counter", (), "Processes that had to be replaced."),
    "policybook_build_info": Family("gauge", ("version", "python"), "1; which program this is."),
}


def by_family(samples: Iterable[tuple[str, Sample]]) -> dict[str, list[tuple[str, Sample]]]:
    """Sort samples, each with the worker that it comes from, by their families."""
    found: dict[str, list[tuple[str, Sample]]] = {}
    for worker, sample in samples:
        found.setdefault(sample.family, []).append((worker, sample))
    return found
