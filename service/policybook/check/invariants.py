"""What a book says always holds of a decision's answers: the right keys, known names, kinds that have an order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policybook.check.formulas import Binder, article
from policybook.check.scope import Findings, Scope
from policybook.check.types import text_of
from policybook.diagnostics import Code, Severity, did_you_mean
from policybook.load.draft import DraftInvariant
from policybook.load.yaml import Scalar
from policybook.model import formula as m
from policybook.model.book import Cell, Decision, Direction, InForce, Invariant, Monotone, Uses, Within
from policybook.model.kinds import Base, Field, Kind

_COMMON = ("id", "clause", "says", "note")
# The key that tells the form -> the keys that it needs, and those that it may have.
_FORMS = {
    "never": (("output", "never", "as"), ("order", "along", "where")),
    "within": (("output", "within"), ("where",)),
    "in_force": (("in_force", "exactly"), ()),
}
_NO_USES = Uses(inputs=(), parameters=(), values=(), decisions=())


class Invariants:
    """Binds the invariants of one decision; notes what is wrong with them."""

    def __init__(self, findings: Findings, binder: Binder, decision: Decision, inputs: Sequence[Field], scope: Scope) -> None:
        self.findings = findings
        # A row with a fault may use what no other row uses.
        self.is_whole = not any(f.severity is Severity.ERROR for f in findings.items)
        self.binder = binder
        self.decision = decision
        self.inputs = inputs
        self.scope = scope

    def invariant(self, draft: DraftInvariant, clauses: tuple[str, ...], where: tuple[Cell, ...]) -> Invariant | None:
        """Bind one; its uses are still open. None when a fault was noted."""
        form = self.form(draft)
        if form is None:
            return None
        claim = self.in_force(draft) if form == "in_force" else self.within(draft) if form == "within" else self.monotone(draft)
        if claim is None:
            return None
        return Invariant(
            id=draft.id.text,
            clauses=clauses,
            claim=claim,
            where=where,
            says=text_of(draft.says),
            note=text_of(draft.note),
            uses=_NO_USES,
            span=draft.id.span,
        )

    @staticmethod
    def formulas(invariant: Invariant) -> Iterator[m.Formula]:
        """Yield what an invariant reads besides the decision's own answer."""
        for cell in invariant.where:
            yield cell.subject
            yield from m.test_formulas(cell.test)
        if isinstance(invariant.claim, Within):
            yield from m.test_formulas(invariant.claim.test)

    def error(self, code: Code, message: str, at: Scalar, help_text: str = "") -> None:
        self.findings.error(code, message, at.span, help_text)

    def form(self, draft: DraftInvariant) -> str | None:
        """Tell which of the three forms an invariant has."""
        given = {key.text: key for key in draft.keys}
        what = f"invariant `{draft.id.text}`"
        found = [name for name in _FORMS if name in given]
        if len(found) != 1:
            how = "`never: rises` or `never: falls` with `as:`; `within:` a test; or `in_force:` with `exactly:`"
            self.error(Code.MISSING_KEY, f"{what} needs exactly one of `never`, `within` and `in_force`", draft.id, how)
            return None
        needed, possible = _FORMS[found[0]]
        sound = True
        for name, key in given.items():
            if name not in (*_COMMON, *needed, *possible):
                allowed = ", ".join(f"`{k}`" for k in (*needed, *possible))
                self.error(Code.WRONG_SHAPE, f"{what}: `{name}` does not go with `{found[0]}`", key, f"beside `id` and texts: {allowed}")
                sound = False
        for name in needed:
            if name not in given:
                self.error(
                    Code.MISSING_KEY,
                    f"{what} lacks the key `{name}`",
                    draft.id,
                    f"`{found[0]}` goes with {_listed([n for n in needed if n != found[0]])}",
                )
                sound = False
        return found[0] if sound else None

    # The three forms

    def within(self, draft: DraftInvariant) -> Within | None:
        output = self.output(draft)
        if output is None or draft.within is None:
            return None
        test = self.binder.test(draft.within, self.scope, output.kind)
        return None if test is None else Within(output=output, test=test, text=" ".join(draft.within.text.split()))

    def in_force(self, draft: DraftInvariant) -> InForce | None:
        known = [*(r.id for r in self.decision.rows), *self.decision.uses.parameters]
        sound = draft.exactly is not None
        for word in draft.in_force:
            if word.text not in known:
                message = f"`{self.decision.name}` has no row and uses no parameter `{word.text[:60]}`"
                self.error(Code.UNKNOWN_NAME, message, word, did_you_mean(word.text, known))
                sound = False
        names = tuple(word.text for word in draft.in_force)
        return InForce(names=names, exactly=draft.exactly or 0) if sound and names else None

    def monotone(self, draft: DraftInvariant) -> Monotone | None:
        output, grows = self.output(draft), self.grows(draft)
        never = self.direction(draft)
        if output is None or grows is None or never is None or draft.grows is None or draft.output is None:
            return None
        kind = self.decision.compared_kind(output)
        order = self.answer_order(draft, output, kind, draft.output)
        along = self.along(draft, grows, draft.grows)
        if order is None or along is None:
            return None
        if self.decision.for_each is not None and not self.decision.hit_policy.multi and self.comes_in(grows.name):
            message = f"the list of `{self.decision.name}` depends on `{grows.name}`: which of its elements belong together is not known"
            self.error(Code.WRONG_SHAPE, message, draft.grows, "compare an aggregate, such as that of `collect sum`")
            return None
        return Monotone(output=output, never=never, order=order, grows=grows, along=along)

    # Parts

    def output(self, draft: DraftInvariant) -> Field | None:
        word = draft.output
        if word is None:
            return None
        found = self.decision.output(word.text)
        if found is None:
            known = [o.name for o in self.decision.outputs]
            self.error(Code.UNKNOWN_NAME, f"`{self.decision.name}` has no output `{word.text[:60]}`", word, did_you_mean(word.text, known))
        return found

    def direction(self, draft: DraftInvariant) -> Direction | None:
        word = draft.never
        if word is None:
            return None
        if word.text not in ("rises", "falls"):
            self.error(Code.BAD_VALUE, f"`never` is `{word.text[:40]}`", word, "allowed: `rises`, `falls`")
            return None
        return Direction(word.text)

    def grows(self, draft: DraftInvariant) -> Field | None:
        word = draft.grows
        if word is None:
            return None
        used = self.decision.uses.inputs
        found = next((i for i in self.inputs if i.name == word.text), None)
        if found is None:
            self.error(Code.UNKNOWN_NAME, f"there is no input `{word.text[:60]}`", word, did_you_mean(word.text, used))
        elif found.name not in used and self.is_whole:
            message = f"`{self.decision.name}` does not use the input `{found.name}`: nothing changes as it grows"
            self.error(Code.UNUSED, message, word, f"it uses: {_listed(used)}")
            return None
        return found

    def comes_in(self, name: str) -> bool:
        """Tell whether the list of the decision depends on an input (directly, or perhaps by a value or a decision)."""
        each = self.decision.for_each
        return each is not None and any(r.role is not m.Role.INPUT or r.name == name for r in m.refs(each.source))

    def answer_order(self, draft: DraftInvariant, output: Field, kind: Kind, at: Scalar) -> tuple[tuple[str | None, ...], ...] | None:
        """Return the order of what is answered: () where its kind has one of its own."""
        what = f"output `{output.name}`"
        element = kind.element if kind.base is Base.LIST else None
        choice = kind if kind.base is Base.ENUM else element if element is not None and element.base is Base.ENUM else None
        if choice is None:
            if not (kind.ordered or kind.base is Base.BOOLEAN):
                shown = article(kind)
                how = "compare an aggregate, such as that of `collect sum`" if kind.base is Base.LIST else "it cannot rise or fall"
                self.error(Code.WRONG_TYPE, f"{what} is {shown}, which has no order", at, how)
                return None
            if draft.order:
                shown = article(kind)
                self.error(Code.WRONG_SHAPE, f"{what} is {shown}, which has its own order", draft.order[0][0], "leave out `order`")
                return None
            return ()
        if not draft.order:
            if kind.base is Base.LIST:
                return ()
            how = f"add `order: [{', '.join(kind.value_names[:4])}{', ..' if len(kind.value_names) > 4 else ''}]`, lowest first"
            self.error(Code.MISSING_KEY, f"{what} is a choice: in what order?", at, how)
            return None
        ranks = self.ranks(draft.order, choice, what, "order")
        return None if ranks is None else tuple(tuple(None if v == "null" else v for v in rank) for rank in ranks)

    def along(self, draft: DraftInvariant, grows: Field, at: Scalar) -> tuple[tuple[str, ...], ...] | None:
        """Return the order in which a choice grows: () where the kind grows by itself."""
        kind, what = grows.kind, f"input `{grows.name}`"
        if kind.base is Base.ENUM:
            if not draft.along:
                how = f"add `along: [{', '.join(kind.value_names[:4])}{', ..' if len(kind.value_names) > 4 else ''}]`, lowest first"
                self.error(Code.MISSING_KEY, f"{what} is a choice: in what order does it grow?", at, how)
                return None
            return self.ranks(draft.along, kind, what, "along")
        if not (kind.ordered or kind.base in (Base.BOOLEAN, Base.LIST)):
            self.error(Code.WRONG_TYPE, f"{what} is {article(kind)}, which does not grow", at)
            return None
        if draft.along:
            self.error(Code.WRONG_SHAPE, f"{what} is {article(kind)}, which has its own order", draft.along[0][0], "leave out `along`")
            return None
        return ()

    def ranks(self, drafts: tuple[tuple[Scalar, ...], ...], kind: Kind, what: str, key: str) -> tuple[tuple[str, ...], ...] | None:
        """Check that values are known and stand once."""
        known = (*kind.value_names, "null") if key == "order" else kind.value_names
        seen: set[str] = set()
        sound = True
        for word in (w for rank in drafts for w in rank):
            if word.text not in known:
                message = f"`{key}` names `{word.text[:60]}`, which is no value of the {what}"
                self.error(Code.UNKNOWN_NAME, message, word, did_you_mean(word.text, kind.value_names))
                sound = False
            elif word.text in seen:
                self.error(Code.DUPLICATE_NAME, f"`{key}` names `{word.text}` twice", word)
                sound = False
            seen.add(word.text)
        if sound and len(drafts) < 2:
            self.error(Code.WRONG_SHAPE, f"`{key}` has a single rank: nothing is above it", drafts[0][0], "lowest first: `[a, b]`")
            sound = False
        return tuple(tuple(w.text for w in rank) for rank in drafts) if sound else None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{n}`" for n in names[:12])
    return shown + (", ..." if len(names) > 12 else "")
