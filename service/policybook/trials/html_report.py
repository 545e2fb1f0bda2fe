"""The results as one HTML page that needs nothing beside it: no network, no framework; it prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from policybook.model.book import Book
from policybook.trials.case import Case, ErrorKind, Expected
from policybook.trials.coverage import Boundary, DecisionCoverage
from policybook.trials.labels import LABELS
from policybook.trials.pairs import Pair
from policybook.trials.run import Result
from policybook.trials.session import Session, totals
from policybook.trials.text import value_text

if TYPE_CHECKING:
    from policybook.trials.mutation import DecisionScore, Judged

TEMPLATES = Path(__file__).parent / "templates"
MAX_PAIRS = 50


def html_report(session: Session, language: str = "en") -> str:
    """Write a run as a page.

    Args:
        language: `en` or `zh`, of all but what stands in books and tables
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = _Page(session, language)
    environment.filters.update(label=page.label)
    return environment.get_template("report.html.jinja").render(
        session=session,
        page=page,
        percent=percent,
        measures=list(session.totals()),
        lang="zh-Hans" if language == "zh" else "en",
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
        script=Markup((TEMPLATES / "report.js").read_text(encoding="utf-8")),  # noqa: S704 - our own file
    )


def percent(seen: int, of: int) -> str:
    """Write a share with no more certainty than it has: 100 only for all, 0 only for none."""
    if of == 0:
        return "–"
    share = 1000 * seen // of
    share = max(share, 1) if seen else 0
    return f"{share // 10}.{share % 10}%" if share % 10 else f"{share // 10}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Survivors:
    """The mutants of one decision; those that live on with the case that kills them."""

    score: DecisionScore
    title: str
    equivalent: int
    undecided: tuple[Judged, ...]
    alive: tuple[tuple[tuple[Judged, ...], str], ...]


class _Page:
    def __init__(self, session: Session, language: str) -> None:
        self.session = session
        self.language = language

    def label(self, name: str) -> str:
        return LABELS[name].get(self.language)

    @property
    def verdict(self) -> tuple[str, bool]:
        """What the run came to, and whether it is good."""
        if self.session.failed:
            return "some_failed", False
        if not self.session.findings.ok:
            return "with_findings", False
        return ("all_passed", True) if self.session.everything else ("nothing_run", False)

    def book(self, case: Case) -> Book:
        return self.session.books[case.policy]

    def title(self, c: DecisionCoverage) -> str:
        return self.session.books[c.policy].decision_by_name[c.decision].title.get(self.language)

    def measures(self, c: DecisionCoverage) -> Sequence[tuple[str, int, int]]:
        return list(totals([c]))

    def what(self, result: Result, what: str) -> str:
        """Name a difference: an output by its title too, the others in the page's language."""
        decision = self.book(result.case).decision_by_name[result.case.decision]
        name = what.rpartition(": ")[2]
        output = decision.output(name)
        if output is not None and (title := output.title.get(self.language)):
            return f"{title} ({what})"
        return LABELS[what].get(self.language) if what in ("status", "rows", "not_rows") else what

    def reasons(self, result: Result) -> tuple[str, ...]:
        return result.reasons(self.language)

    def given(self, case: Case) -> Mapping[str, str]:
        return {name: stated.text for name, stated in case.given.items()}

    def expects(self, case: Case) -> str:
        """Say on one line what a case expects."""
        parts = [self.outputs(case, case.expect)] if case.expect else []
        if case.expect_items is not None:
            parts.append(f"{self.label('items')}: [{'; '.join(self.outputs(case, i) for i in case.expect_items)}]")
        if case.rows is not None:
            parts.append(f"{self.label('rows')}: {', '.join(case.rows) or '–'}")
        if case.not_rows:
            parts.append(f"{self.label('not_rows')}: {', '.join(case.not_rows)}")
        if case.status is not None:
            error: ErrorKind | None = case.error
            parts.append(f"{self.label(case.status.value)}{f': {error.value}' if error else ''}")
        return "; ".join(parts)

    def outputs(self, case: Case, expected: Mapping[str, Expected]) -> str:
        book = self.book(case)
        return ", ".join(f"{n} = {value_text(e.value, e.field.kind, currency=book.currency, zone=book.zone)}" for n, e in expected.items())

    def points(self, c: DecisionCoverage) -> list[tuple[Boundary, str]]:
        """Return the thresholds with points that no case had."""
        return [(b, ", ".join(self.label(p.value) for p in b.missed)) for b in c.boundaries if b.missed]

    def pairs(self, c: DecisionCoverage) -> tuple[Sequence[Pair], int]:
        """Return pairs that no case had, as many as are shown, and how many more there are."""
        if c.pairs is None:
            return (), 0
        shown = c.pairs.missed[:MAX_PAIRS]
        return shown, max(0, c.pairs.possible - c.pairs.seen - len(shown))

    def mutation(self) -> Sequence[_Survivors]:
        """Return the decisions whose mutants were judged, each with those that live on and the cases that kill them."""
        made = self.session.mutation
        if made is None:
            return ()
        # With the solver behind it: there only where it was wanted.
        from policybook.trials.mutation import Fate  # noqa: PLC0415
        from policybook.trials.mutation_report import alive, pasteable  # noqa: PLC0415

        return [
            _Survivors(
                score=d,
                title=self.session.books[d.policy].decision_by_name[d.decision].title.get(self.language),
                equivalent=len(d.of(Fate.EQUIVALENT)),
                undecided=d.of(Fate.UNDECIDED),
                alive=tuple((mutants, pasteable(w, self.session.books[d.policy], self.language)) for w, mutants in alive(d)),
            )
            for d in made.decisions
        ]

    def text(self, result: Result) -> str:
        """Return what a filter looks through."""
        case = result.case
        facts = " ".join(f"{n}={s.text}" for n, s in case.given.items())
        return f"{case.name} {case.id} {facts} {self.expects(case)} {case.review or ''} {case.note}".lower()
