"""What one process counts: calls, decisions, rows, and requests that come close to a threshold.

Plain whole numbers in dicts, added to where an answer is made, for which a microsecond is much; whoever asks gets a copy. What is
counted has few names: methods, decisions, rows and thresholds of the books.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from policybook.desk import Sheet
from policybook.model.answer import Answer, Headroom, Outcome, Side
from policybook.model.book import Row
from policybook.values import decimal_text

# Seconds; a decision takes tens of microseconds, a batch of ten thousand some tenths of a second.
BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# LIMIT: thresholds of one quantity that are told apart; a computed one may have any value.
MAX_THRESHOLDS = 1_000


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


class Meter:
    """Counts for one process. Added to by the event loop and its helpers' threads, read by any.

    Args:
        near_percent: how close to a threshold a quantity counts as near, in percent of it; 0: nothing is looked at
    """

    def __init__(self, near_percent: int) -> None:
        self._near_percent = near_percent
        self._answers: dict[tuple[str, str, Outcome], int] = {}
        self._rows: dict[tuple[str, str, str], int] = {}
        self._near: dict[tuple[str, str, str, str, str], int] = {}
        self._calls: dict[tuple[str, str], int] = {}
        self._durations: dict[str, _Durations] = {}

    def called(self, method: str, code: str, seconds: float) -> None:
        """Count a call."""
        key = (method, code)
        self._calls[key] = self._calls.get(key, 0) + 1
        durations = self._durations.get(method)
        if durations is None:
            durations = self._durations[method] = _Durations([0] * (len(BUCKETS) + 1))
        durations.buckets[bisect_left(BUCKETS, seconds)] += 1
        durations.total_s += seconds

    def answered(self, answer: Answer) -> None:
        """Count one answer; those with a trace also tell how close the request was to a threshold."""
        policy, decision = answer.policy, answer.decision.name
        self._add(policy, decision, answer.outcome, answer.selected, 1)
        if answer.tables and self._near_percent:
            for table in answer.tables:
                for headroom in table.headroom:
                    if self._is_near(headroom):
                        self._count_near(policy, table.decision.name, headroom)

    def answered_sheet(self, sheet: Sheet) -> None:
        """Count many answers at once."""
        many = sheet.many
        counts = np.bincount(many.group, minlength=len(many.settled))
        for row in sheet.errors:
            counts[many.group[row]] -= 1
        policy, decision = sheet.edition.book.name, sheet.decision.name
        for settled, count in zip(many.settled, counts.tolist(), strict=True):
            if count > 0:
                self._add(policy, decision, settled.outcome, settled.selected, count)

    def _add(self, policy: str, decision: str, outcome: Outcome, selected: Sequence[Row], count: int) -> None:
        key = (policy, decision, outcome)
        self._answers[key] = self._answers.get(key, 0) + count
        rows = self._rows
        for row in selected:
            row_key = (policy, decision, row.id)
            rows[row_key] = rows.get(row_key, 0) + count

    def _is_near(self, headroom: Headroom) -> bool:
        """Tell whether the distance is at most so many percent of the threshold; of kinds that have no size, never."""
        distance, threshold = headroom.distance, headroom.threshold
        if not isinstance(distance, Fraction | int) or not isinstance(threshold, Fraction | int) or not threshold:
            return False
        return distance.numerator * threshold.denominator * 100 <= self._near_percent * abs(threshold.numerator) * distance.denominator

    def _count_near(self, policy: str, decision: str, headroom: Headroom) -> None:
        side = "under" if headroom.side is Side.BELOW else "over"
        threshold = decimal_text(Fraction(headroom.threshold))  # type: ignore[arg-type]  # `_is_near` has seen that it is a number
        key = (policy, decision, headroom.quantity.name, threshold, side)
        if key in self._near or len(self._near) < MAX_THRESHOLDS:
            self._near[key] = self._near.get(key, 0) + 1
        else:
            key = (policy, decision, headroom.quantity.name, "other", side)
            self._near[key] = self._near.get(key, 0) + 1

    def samples(self) -> Iterator[Sample]:
        """Return all that was counted."""
        for (policy, decision, outcome), count in list(self._answers.items()):
            yield Sample("policybook_decisions_total", (f"{policy}.{decision}", outcome.value.replace(" ", "_")), count)
        for (policy, decision, row), count in list(self._rows.items()):
            yield Sample("policybook_rules_total", (f"{policy}.{decision}", row), count)
        for (policy, decision, quantity, threshold, side), count in list(self._near.items()):
            yield Sample("policybook_near_threshold_total", (f"{policy}.{decision}", quantity, threshold, side), count)
        for labels, count in list(self._calls.items()):
            yield Sample("policybook_requests_total", labels, count)
        for method, durations in list(self._durations.items()):
            yield Sample("policybook_request_duration_seconds", (method,), durations.total_s, tuple(durations.buckets))


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
    "policybook_decisions_total": Family("counter", ("decision", "outcome"), "Answers made, by decision and outcome."),
    "policybook_rules_total": Family("counter", ("decision", "row"), "Times that a row of a table gave the answer or a part of it."),
    "policybook_near_threshold_total": Family(
        "counter",
        ("decision", "quantity", "threshold", "side"),
        "Requests with a trace that lay just under or just over a threshold (near_percent): many under and few over is bunching.",
    ),
    "policybook_log_waiting": Family("gauge", (), "Decisions that wait to be written to the decision log."),
    "policybook_log_recorded_total": Family("counter", (), "Decisions written to the decision log."),
    "policybook_log_not_recorded_total": Family("counter", (), "Answers given out without a record."),
    "policybook_log_refused_total": Family("counter", (), "Answers not given out because they could not be recorded."),
    "policybook_log_failing": Family("gauge", (), "1 while nothing can be written to the decision log."),
    "policybook_challenged_total": Family("counter", ("policy", "version"), "Decisions compared with those of a challenger."),
    "policybook_challenged_different_total": Family("counter", ("policy", "version"), "Of those, decided otherwise by the challenger."),
    "policybook_book_info": Family("gauge", ("policy", "version"), "1 for the version of each policy in service."),
    "policybook_book_load_time_seconds": Family("gauge", ("policy",), "When the version in service was loaded, in seconds since 1970."),
    "policybook_cells_remembered": Family("gauge", ("policy",), "Cells whose rows are remembered."),
    "policybook_reloads_total": Family("counter", ("result",), "Changed books: published, refused, withdrawn."),
    "policybook_books_stale_seconds": Family(
        "gauge", (), "How long an edited book has been refused while the one before goes on; 0: none is."
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
