"""Findings: what is wrong with something a person wrote, where, and what to do."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from policybook.source import Source, Span


class Severity(enum.Enum):
    """How bad a finding is; only errors keep a book from being served."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Code(enum.Enum):
    """Stable number and name of each kind of finding; neither is ever reused."""

    # The text: 1xx
    YAML_SYNTAX = ("PB101", "yaml-syntax")
    YAML_FEATURE = ("PB102", "yaml-feature")
    TOO_LARGE = ("PB103", "too-large")
    UNKNOWN_KEY = ("PB104", "unknown-key")
    MISSING_KEY = ("PB105", "missing-key")
    WRONG_SHAPE = ("PB106", "wrong-shape")
    DUPLICATE_KEY = ("PB107", "duplicate-key")
    BAD_NAME = ("PB108", "bad-name")
    BAD_VALUE = ("PB109", "bad-value")
    BAD_EXPRESSION = ("PB110", "bad-expression")
    EMPTY = ("PB111", "empty")
    NOT_TEXT = ("PB112", "not-text")
    # The meaning: 2xx
    UNKNOWN_NAME = ("PB201", "unknown-name")
    DUPLICATE_NAME = ("PB202", "duplicate-name")
    WRONG_TYPE = ("PB203", "wrong-type")
    CYCLE = ("PB204", "cycle")
    MISSING_CLAUSE = ("PB205", "missing-clause")
    BAD_DATES = ("PB206", "bad-dates")
    OUT_OF_BOUNDS = ("PB207", "out-of-bounds")
    MISSING_OUTPUT = ("PB208", "missing-output")
    HIT_POLICY = ("PB209", "hit-policy")
    DIVISION_BY_ZERO = ("PB210", "division-by-zero")
    TOO_MANY_ALTERNATIVES = ("PB211", "too-many-alternatives")
    MISSING_CURRENCY = ("PB212", "missing-currency")
    UNKNOWN_CLAUSE = ("PB213", "unknown-clause")
    AMBIGUOUS_NAME = ("PB214", "ambiguous-name")
    MISSING_CALENDAR = ("PB215", "missing-calendar")
    CHANGED_CLAUSE = ("PB216", "changed-clause")
    UNQUOTED_FIGURE = ("PB217", "unquoted-figure")
    FIGURES_DIFFER = ("PB218", "figures-differ")
    # Analysis: 3xx
    ENGINE_DISAGREES = ("PB301", "engine-disagrees")
    NEVER_FIRES = ("PB302", "never-fires")
    UNUSED = ("PB303", "unused")
    GAP = ("PB304", "gap")
    CONFLICT = ("PB305", "conflict")
    OVERLAP = ("PB306", "overlap")
    SHADOWED = ("PB307", "shadowed")
    DUPLICATE_ROW = ("PB308", "duplicate-row")
    MERGEABLE_ROWS = ("PB309", "mergeable-rows")
    BOUNDARY_LEFT_OUT = ("PB310", "boundary-left-out")
    BOUNDARY_SHARED = ("PB311", "boundary-shared")
    UNUSED_VALUE = ("PB312", "unused-value")
    UNDECIDED = ("PB313", "undecided")
    PARTIAL = ("PB314", "partial")
    UNNEEDED_ACCEPTANCE = ("PB319", "unneeded-acceptance")
    INVARIANT_REFUTED = ("PB320", "invariant-refuted")
    INVARIANT_UNDECIDED = ("PB321", "invariant-undecided")
    # Facts of a request: 4xx
    MISSING_FACT = ("PB401", "missing-fact")
    UNKNOWN_FACT = ("PB402", "unknown-fact")
    FACT_TYPE = ("PB403", "fact-type")
    FACT_BOUNDS = ("PB404", "fact-bounds")
    FACT_CURRENCY = ("PB405", "fact-currency")
    FACT_SIZE = ("PB406", "fact-size")
    FACT_ARITHMETIC = ("PB407", "fact-arithmetic")
    # Test tables: 5xx
    TEST_TABLE = ("PB501", "test-table")

    @property
    def number(self) -> str:
        return self.value[0]

    @property
    def slug(self) -> str:
        return self.value[1]


# Characters of a message, and of its help.
MAX_MESSAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found.

    `path` names the place in terms of the content (`facts.shipment_amount`); `help` is one line that can be followed.
    """

    code: Code
    severity: Severity
    message: str
    span: Span
    help: str = ""
    path: str = ""
    decision: str = ""
    rows: tuple[str, ...] = ()
    region: str = ""
    witness: str = ""
    proposal: str = ""
    accepted: str = ""
    related: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        # A message quotes what somebody wrote; a page of it would say no more.
        for name in ("message", "help"):
            text: str = getattr(self, name)
            if len(text) > MAX_MESSAGE:
                object.__setattr__(self, name, f"{text[: MAX_MESSAGE - 3]}...")

    def as_json(self) -> dict[str, object]:
        s = self.span
        more = {
            "decision": self.decision,
            "rows": list(self.rows),
            "region": self.region,
            "witness": self.witness,
            "proposal": self.proposal,
            "accepted": self.accepted,
        }
        return {
            **{k: v for k, v in more.items() if v},
            "code": self.code.number,
            "name": self.code.slug,
            "severity": self.severity.value,
            "message": self.message,
            "help": self.help,
            "file": s.file,
            "line": s.line,
            "column": s.column,
            "end_line": s.end_line,
            "end_column": s.end_column,
            "path": self.path,
        }


MAX_FINDINGS = 200


@dataclass(frozen=True, slots=True)
class Report:
    """Findings in source order."""

    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Report:
        """Sort by place, drop repetitions, keep the order of detection within one place."""
        seen = dict.fromkeys(findings)
        ordered = sorted(seen, key=lambda f: f.span.sort_key)
        return cls(tuple(ordered))

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity is Severity.ERROR)

    @property
    def ok(self) -> bool:
        return not self.errors

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __add__(self, other: Report) -> Report:
        return Report.of((*self.findings, *other.findings))

    def render(self, sources: Mapping[str, Source]) -> str:
        """Show every finding with its excerpt; the text form of `policybook check`."""
        blocks = []
        for f in self.findings[:MAX_FINDINGS]:
            place = f"{f.span}: " if f.span.line else (f"{f.path}: " if f.path else "")
            lines = [f"{place}{f.severity.value}[{f.code.number} {f.code.slug}]: {f.message}"]
            source = sources.get(f.span.file)
            if source and (shown := source.excerpt(f.span)):
                lines.append(shown)
            lines += [f"      = {label}: {more}" for label, more in (("example", f.witness), ("row to add", f.proposal)) if more]
            if f.help:
                lines.append(f"      = help: {f.help}")
            blocks.append("\n".join(lines))
        if len(self.findings) > MAX_FINDINGS:
            blocks.append(f"... and {len(self.findings) - MAX_FINDINGS} more")
        return "\n".join(blocks)


# What an input method for Chinese writes where a book wants the plain character.
_WIDE = {
    **{chr(c): chr(c - 0xFEE0) for c in range(0xFF01, 0xFF5F)},
    **dict(zip("\u3000\u00a0“”‘’、。【】《》–—", "  \"\"'',.[]<>--", strict=True)),
}


def wide_help(text: str) -> str:
    """Return a help line for the first full-width character of a text; nothing where there is none."""
    wide = next((c for c in text if c in _WIDE), "")
    if not wide:
        return ""
    meant = f"`{_WIDE[wide]}`, not `{wide}`" if wide.strip() else "blank; this one is another character"
    return f"write the half-width {meant}"


def nearest(name: str, known: Iterable[str], most: int = 3) -> tuple[str, ...]:
    """Return the known names most like `name`, best first."""
    return tuple(difflib.get_close_matches(name[:100], list(known), n=most, cutoff=0.55))


def did_you_mean(name: str, known: Iterable[str], what: str = "") -> str:
    """Return a help line: the nearest name, else the allowed ones."""
    options = sorted(set(known))
    near = nearest(name, options, most=1)
    if near:
        return f"did you mean `{near[0]}`?"
    if not options:
        return f"there is no {what} to name here" if what else ""
    shown = ", ".join(f"`{o}`" for o in options[:12]) + (", ..." if len(options) > 12 else "")
    return f"allowed: {shown}"
