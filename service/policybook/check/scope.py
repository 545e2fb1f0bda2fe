"""What names mean at one place of a book, and the findings made there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from policybook.diagnostics import Code, Finding, Severity
from policybook.feel.parse import MAX_DEPTH
from policybook.model.formula import Formula, Get, Ref, Role
from policybook.model.kinds import Base, list_of
from policybook.source import Span


@dataclass
class Findings:
    """Collects findings; `warn` is for what does not keep a book from being served."""

    items: list[Finding] = field(default_factory=list)

    def error(self, code: Code, message: str, span: Span, help_text: str = "") -> None:
        self.items.append(Finding(code=code, severity=Severity.ERROR, message=message, span=span, help=help_text))

    def warn(self, code: Code, message: str, span: Span, help_text: str = "") -> None:
        self.items.append(Finding(code=code, severity=Severity.WARNING, message=message, span=span, help=help_text))


@dataclass(frozen=True)
class Scope:
    """Names in reach: single names and `decision.output`.

    `broken` are declared names whose declaration has a fault: noted once there, not again wherever they are used.
    """

    names: dict[str, Ref]
    broken: frozenset[str] = frozenset()

    def with_names(self, more: Iterable[Ref]) -> Scope:
        return Scope({**self.names, **{r.name: r for r in more}}, self.broken)

    def resolve(self, parts: tuple[str, ...]) -> Formula | None:
        """Find what a dotted name stands for; None when unknown."""
        if len(parts) > MAX_DEPTH:
            # Records are never so deep inside one another; each part would be a call of this.
            return None
        dotted = ".".join(parts)
        if dotted in self.names:
            return self.names[dotted]
        if len(parts) < 2:
            return None
        source = self.resolve(parts[:-1])
        if source is None:
            return None
        record = source.kind
        through_list = record.base is Base.LIST and record.element is not None and record.element.base is Base.RECORD
        inner = record.element if through_list and record.element else record
        found = inner.field_named(parts[-1])
        if found is None:
            return None
        return Get(source, parts[-1], list_of(found.kind) if through_list else found.kind)

    def candidates(self) -> tuple[str, ...]:
        """Every name a person might have meant."""
        names = list(self.names)
        for ref in self.names.values():
            element = ref.kind.element if ref.kind.base is Base.LIST else ref.kind
            if element is not None and element.base is Base.RECORD:
                names += [f"{ref.name}.{f.name}" for f in element.fields]
        return tuple(n for n in names if self.names.get(n, _NO_BUILT_IN).role is not Role.BUILT_IN)


_NO_BUILT_IN = Ref("", Role.INPUT, list_of(None))
