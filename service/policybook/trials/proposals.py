"""The cases that are missing: a request for each row, threshold or pair of conditions that no case shows, as few as will do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from policybook.analyse.inquiry import Asking, Undecided
from policybook.analyse.space import Judge
from policybook.decide.chain import Verdict
from policybook.model.answer import Answer, TraceLevel
from policybook.model.book import Book, Decision
from policybook.trials.aims import Aim, Board, PairAim, PointAim, RowAim
from policybook.trials.case import Case
from policybook.trials.coverage import Coverage, RowId
from policybook.trials.mutation import DecisionScore, Fate, Judged, Jury, Witness
from policybook.trials.pairs import Spaces
from policybook.trials.requests import REVIEW, answer_of, stated_case, unused
from policybook.trials.run import Ask, run_case
from policybook.trials.session import spaces
from policybook.trials.written import WrittenCase

# Boxes in which a request for one aim is sought, and how many the solver may leave open.
MAX_BOXES = 12
MAX_OPEN = 2
# Aims named in the note of one case; the others are counted.
MAX_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What cases are to show.

    Args:
        everything: also what cases show already
    """

    rows: bool = True
    points: bool = True
    pairs: bool = False
    everything: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposals:
    """Cases to be written.

    Args:
        shown: how many aims they serve
        impossible: aims that no request can serve: proved
        undecided: aims for which none was found, in words, and why
    """

    cases: tuple[WrittenCase, ...]
    shown: int
    impossible: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    decision: Decision
    asking: Asking
    visited: _Visited
    serves: list[Aim]

    def shows(self, aim: Aim) -> bool:
        return aim.is_served(self.visited.answer, self.visited.seen)


@dataclass(frozen=True, slots=True)
class _Visited:
    """A request decided, and what it visits."""

    verdict: Verdict
    answer: Answer
    seen: Coverage


class Proposer:
    """Proposes the missing cases of one book.

    Args:
        cases: those there are, of this book; `ask` answers them with a full trace
        language: of notes and marks
    """

    def __init__(self, book: Book, cases: Sequence[Case], ask: Ask, language: str = "en") -> None:
        self.book = book
        self.language = language
        self.judge = Judge(book)
        self.coverage = Coverage((book,))
        self.taken = {c.id: c.decision for c in cases}
        self._spaces: Spaces = spaces()
        self._blank = Coverage((book,))
        for case in cases:
            answer = run_case(case, ask, book).answer
            if answer is not None:
                self.coverage.visit(answer)

    def propose(self, decisions: Sequence[Decision], wanted: Wanted) -> Proposals:
        """Find cases for what is missing of some decisions."""
        known = self._blank.afresh() if wanted.everything else self.coverage
        search = _Search(self, known)
        # All that is missing is listed first, so that what a case shows by the way is not lost when another takes its place.
        points = [(d, self._points(d, known)) for d in decisions] if wanted.points else []
        rows = [(d, self._rows(d, known)) for d in decisions] if wanted.rows else []
        # Thresholds first: their cases show most rows too.
        for decision, aims in (*points, *rows):
            search.seek(decision, aims)
        if wanted.pairs:
            for decision in decisions:
                # Only so many are listed at a time.
                while (aims := self._pairs(decision, known)) and search.seek(decision, aims):
                    pass
        return self._written(search)

    def _rows(self, decision: Decision, known: Coverage) -> list[Aim]:
        ids = (RowId(self.book.name, decision.name, r.id) for r in decision.all_rows)
        return [RowAim(row) for row in ids if not known.hits(row)]

    def _points(self, decision: Decision, known: Coverage) -> list[Aim]:
        found = known.decision(self.book, decision)
        return [PointAim(b.threshold, p) for b in found.boundaries for p in b.missed]

    def _pairs(self, decision: Decision, known: Coverage) -> list[Aim]:
        found = known.decision(self.book, decision, self._spaces).pairs
        return [PairAim(self.book.name, decision.name, p) for p in found.missed] if found else []

    def visited(self, decision: Decision, asking: Asking) -> _Visited | None:
        """Decide a request and return what it visits; None when it is refused."""
        made = self.judge.decide(decision, asking, TraceLevel.FULL)
        if not isinstance(made, Verdict):
            return None
        answer = answer_of(self.book, decision, asking, made)
        seen = self._blank.afresh()
        seen.visit(answer)
        return _Visited(made, answer, seen)

    def _written(self, search: _Search) -> Proposals:
        cases = []
        taken = dict(self.taken)
        for found in _needed(search.found):
            case_id = unused(found.serves[0].name, found.decision.name, taken)
            taken[case_id] = found.decision.name
            note = _note([a.what.get(self.language) for a in found.serves], self.language)
            review = REVIEW.get(self.language)
            cases.append(
                stated_case(self.book, found.decision, found.asking, found.visited.verdict, case_id=case_id, note=note, review=review)
            )
        return Proposals(cases=tuple(cases), shown=search.shown, impossible=tuple(search.impossible), undecided=tuple(search.undecided))


class _Search:
    def __init__(self, proposer: Proposer, known: Coverage) -> None:
        self.proposer = proposer
        self.known = known
        self.found: list[_Found] = []
        self.shown = 0
        self.impossible: list[str] = []
        self.undecided: list[str] = []
        self._given_up: set[Aim] = set()

    def seek(self, decision: Decision, aims: Sequence[Aim]) -> bool:
        """Find requests for aims of one decision; tell whether any was new."""
        book = self.proposer.book
        open_aims = [a for a in aims if a not in self._given_up]
        boards: dict[int, Board] = {}
        before = self.shown
        for aim in open_aims:
            served = next((f for f in self.found if f.shows(aim)), None)
            if served is not None:
                served.serves.append(aim)
                self.shown += 1
                continue
            verdict: Asking | Undecided | None = None
            for era in _eras(book):
                if era not in boards:
                    boards[era] = Board(book, decision, era, self.proposer.judge, open_aims)
                verdict = self._one(decision, boards[era], aim) or verdict
                if isinstance(verdict, Asking):
                    break
            self._note(decision, aim, verdict)
        return self.shown > before

    def _note(self, decision: Decision, aim: Aim, verdict: Asking | Undecided | None) -> None:
        what = f"`{decision.name}`: {aim.what.get(self.proposer.language)}"
        if isinstance(verdict, Asking):
            visited = self.proposer.visited(decision, verdict)
            assert visited is not None
            self.known.visit(visited.answer)
            self.found.append(_Found(decision, verdict, visited, [aim]))
            self.shown += 1
            return
        self._given_up.add(aim)
        if verdict is None:
            self.impossible.append(what)
        else:
            self.undecided.append(f"{what} ({verdict.why})")

    def _one(self, decision: Decision, board: Board, aim: Aim) -> Asking | Undecided | None:
        """Find a request for one aim in one era; None: there is none."""

        def accept(asking: Asking) -> bool:
            visited = self.proposer.visited(decision, asking)
            return visited is not None and aim.is_served(visited.answer, visited.seen)

        undecided: Undecided | None = None
        for region in board.regions(aim):
            undecided = None
            left_open = 0
            for asked, box in enumerate(region):
                if asked >= MAX_BOXES or left_open >= MAX_OPEN:
                    undecided = undecided or Undecided("more places to look at than there was time for")
                    break
                found = board.space.find(box, accept)
                if isinstance(found, Asking):
                    return found
                if isinstance(found, Undecided):
                    left_open += 1
                    undecided = found
        return undecided


def _eras(book: Book) -> Iterator[int]:
    """Yield the eras in which a book is in force, the last first."""
    for era in range(len(book.change_dates), -1, -1):
        if book.effective.covers(book.era_day(era)):
            yield era


def _needed(found: Sequence[_Found]) -> list[_Found]:
    """Leave out requests whose aims others serve too, the last found being the first to go; those left keep their order."""
    kept = list(found)
    for one in reversed(found):
        others = [f for f in kept if f is not one]
        if all(any(f.shows(a) for f in others) for a in one.serves):
            for aim in one.serves:
                next(f for f in others if f.shows(aim)).serves.append(aim)
            kept = others
    return kept


# ---------------------------------------------------------------- cases that kill


def killing(jury: Jury, scores: Sequence[DecisionScore], taken: Mapping[str, str], language: str = "en") -> Proposals:
    """Propose cases that kill the mutants that live on, as few as will do.

    Args:
        scores: of decisions of the jury's book
        taken: id -> decision of the cases there are
    """
    ids = dict(taken)
    cases: list[WrittenCase] = []
    shown = 0
    for score in scores:
        alive = score.of(Fate.SURVIVED)
        shown += len(alive)
        for witness, killed in _fewest(jury, alive):
            case_id = unused(witness.case.id, witness.decision, ids)
            ids[case_id] = witness.decision
            note = f"{'发现：' if language == 'zh' else 'notices '}{_note([m.what.get(language) for m in killed], language)}"
            cases.append(replace(witness.case, id=case_id, note=note, review=REVIEW.get(language)))
    undecided = tuple(f"`{s.decision}`: {m.what.get(language)} ({m.why})" for s in scores for m in s.of(Fate.UNDECIDED))
    impossible = tuple(f"`{s.decision}`: {m.what.get(language)}" for s in scores for m in s.of(Fate.EQUIVALENT))
    return Proposals(cases=tuple(cases), shown=shown, impossible=impossible, undecided=undecided)


def _fewest(jury: Jury, alive: Sequence[Judged]) -> list[tuple[Witness, list[Judged]]]:
    """Return requests that kill all of some mutants, each with those that it is needed for."""
    witnesses = list(dict.fromkeys(id(m.witness) for m in alive if m.witness is not None))
    by_id = {id(m.witness): m.witness for m in alive if m.witness is not None}
    kills = {w: [m for m in alive if jury.kills(by_id[w], m)] for w in witnesses}
    for w in list(reversed(witnesses)):
        others = [o for o in witnesses if o != w]
        if all(any(m in kills[o] for o in others) for m in kills[w]):
            witnesses = others
    return [(by_id[w], kills[w]) for w in witnesses]


def _note(parts: Sequence[str], language: str) -> str:
    zh = language == "zh"
    shown = ("；" if zh else "; ").join(parts[:MAX_NAMED])
    more = len(parts) - MAX_NAMED
    if more <= 0:
        return shown
    return f"{shown}；另有 {more} 项" if zh else f"{shown}; and {more} more"
