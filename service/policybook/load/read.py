"""Node tree to draft: shape and unknown keys only, every fault noted."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as Keys
from typing import TypeVar

from policybook.diagnostics import Code, Finding, Report, Severity, did_you_mean, wide_help
from policybook.load import keys
from policybook.load.draft import (
    Draft,
    DraftAcceptance,
    DraftDated,
    DraftDecision,
    DraftEffective,
    DraftEntry,
    DraftField,
    DraftInvariant,
    DraftParameter,
    DraftRow,
    DraftText,
    DraftValue,
    Words,
    words_of,
)
from policybook.load.yaml import Mapping, Node, Scalar, Sequence, parse_yaml
from policybook.source import Source, Span

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
ENUM_VALUE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
ROW_ID = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
RESERVED = frozenset({"if", "then", "else", "and", "or", "not", "in", "true", "false", "null", "as_of", "now", "contains", "any", "all"})

T = TypeVar("T")


def load(source: Source) -> tuple[Draft | None, Report]:
    """Read a book's text into a draft.

    Returns:
        the draft, as far as it could be read (None when nothing could), and all findings
    """
    tree, findings = parse_yaml(source)
    if tree is None:
        return None, Report.of(findings)
    reader = Reader(source, list(findings))
    draft = reader.book(tree)
    return draft, Report.of(reader.findings)


def _has_type_shape(node: Node) -> bool:
    return isinstance(node, Mapping) or (isinstance(node, Scalar) and bool(node.text))


class Reader:
    """Reads parts of a tree and collects what is wrong with them."""

    def __init__(self, source: Source, findings: list[Finding]) -> None:
        self.source = source
        self.findings = findings

    def fault(self, code: Code, message: str, span: Span, help_text: str = "") -> None:
        self.findings.append(Finding(code=code, severity=Severity.ERROR, message=message, span=span, help=help_text))

    # Shapes

    def fields(self, node: Node, allowed: Keys[str, keys.Key], what: str) -> dict[str, Node]:
        """Return the entries of a mapping whose keys are allowed; note the others and what is missing."""
        if not isinstance(node, Mapping):
            shape = "a list" if isinstance(node, Sequence) else "a single value" if node.text else "empty"
            wide = wide_help(node.text) if isinstance(node, Scalar) else ""
            self.fault(
                Code.WRONG_SHAPE, f"{what} must be keys with values, this is {shape}", node.span, wide or f"keys: {', '.join(allowed)}"
            )
            return {}
        found: dict[str, Node] = {}
        for key, value in node.entries:
            if key.text in allowed:
                found[key.text] = value
            else:
                self.fault(Code.UNKNOWN_KEY, f"{what} has no key `{key.text[:60]}`", key.span, _key_help(key, value, allowed))
        for name, key_spec in allowed.items():
            if key_spec.required and name not in found:
                at = node.entries[0][0].span if node.entries else node.span
                self.fault(Code.MISSING_KEY, f"{what} lacks the key `{name}`", at, f"add `{name}:` ({key_spec.meaning})")
        return found

    def entries(self, node: Node | None, what: str, *, names: re.Pattern[str] = NAME) -> list[tuple[Scalar, Node]]:
        """Return name -> node pairs of a mapping from names."""
        if node is None:
            return []
        if isinstance(node, Scalar) and not node.text:
            return []
        if not isinstance(node, Mapping):
            self.fault(Code.WRONG_SHAPE, f"{what} must be names with their definitions", node.span)
            return []
        good = []
        for key, value in node.entries:
            if not names.match(key.text) or key.text in RESERVED:
                why = (
                    "is a word of the language"
                    if key.text in RESERVED
                    else "must be lower case letters, digits and `_`, beginning with a letter"
                )
                self.fault(Code.BAD_NAME, f"the name `{key.text[:60]}` {why}", key.span)
            else:
                good.append((key, value))
        return good

    def word(self, node: Node | None, what: str) -> Scalar | None:
        if node is None:
            return None
        if isinstance(node, Scalar) and node.text:
            return node
        self.fault(Code.WRONG_SHAPE, f"{what} must be a single value", node.span)
        return None

    def words_list(self, node: Node | None, what: str) -> tuple[Scalar, ...]:
        if node is None:
            return ()
        items = node.items if isinstance(node, Sequence) else (node,)
        return tuple(w for w in (self.word(i, what) for i in items) if w)

    def text(self, node: Node | None, what: str) -> DraftText | None:
        """Read `{en: .., zh: ..}` or one sentence."""
        if node is None:
            return None
        if isinstance(node, Scalar):
            return DraftText(node.text, "", node.content)
        found = self.fields(node, keys.LANGUAGES, what)
        texts = {k: v.text if isinstance(v, Scalar) else "" for k, v in found.items()}
        for k, v in found.items():
            if not isinstance(v, Scalar):
                self.fault(
                    Code.WRONG_SHAPE, f"{what}.{k} must be a sentence", v.span, "quote a sentence that holds `: ` or `, ` or brackets"
                )
        return DraftText(texts.get("en", ""), texts.get("zh", ""), node.span)

    def unit(self, node: Node | None, what: str) -> DraftText | None:
        """Read `kVA`, which is the same in both languages, or `{en: .., zh: ..}`."""
        if isinstance(node, Scalar):
            word = self.word(node, what)
            return DraftText(word.text, word.text, word.content) if word else None
        return self.text(node, what)

    def flag(self, node: Node | None, what: str) -> bool:
        word = self.word(node, what)
        if word is None:
            return False
        if word.text not in ("true", "false"):
            self.fault(Code.BAD_VALUE, f"{what} is `{word.text[:40]}`", word.span, "allowed: `true`, `false`")
        return word.text == "true"

    def count(self, node: Node | None, what: str, most: int) -> int | None:
        word = self.word(node, what)
        if word is None:
            return None
        if not (word.text.isascii() and word.text.isdigit() and len(word.text) < 9 and int(word.text) <= most):
            self.fault(Code.BAD_VALUE, f"{what} is `{word.text[:40]}`", word.span, f"allowed: a whole number from 0 to {most:,}")
            return None
        return int(word.text)

    def expression(self, node: Node | None, what: str, *, alternatives: bool = False) -> Words | None:
        if node is None:
            return None
        words = words_of(node, self.source, alternatives=alternatives)
        if words is None:
            self.fault(
                Code.WRONG_SHAPE, f"{what} must be a value or an expression", node.span, "quote text that holds `{`, `[`, `:` or `,`"
            )
            return None
        if not words.text.strip():
            self.fault(
                Code.WRONG_SHAPE,
                f"{what} is empty",
                node.span,
                "write `-` for any value, `null` for none" if alternatives else "write a value",
            )
            return None
        return words

    def company(self, node: Node | None, what: str) -> bool:
        word = self.word(node, what)
        if word is None:
            return False
        if word.text != "company":
            self.fault(
                Code.BAD_VALUE, f"{what} is `{word.text[:40]}`", word.span, "allowed: `company`; leave it out for what a clause gives"
            )
        return True

    def bad_id(self, what: str, word: Scalar) -> None:
        better = re.sub(r"[^a-z0-9]+", "-", word.text[:60].lower()).strip("-")
        self.fault(
            Code.BAD_NAME,
            f"{what} `{word.text[:60]}` must be lower case letters, digits and `-`",
            word.span,
            f"such as `{better}`" if better else "",
        )

    # Parts

    def effective(self, node: Node | None, what: str) -> DraftEffective | None:
        if node is None:
            return None
        found = self.fields(node, keys.EFFECTIVE, what)
        return DraftEffective(
            start=self.word(found.get("from"), f"{what}.from"), end=self.word(found.get("to"), f"{what}.to"), span=node.span
        )

    def field(self, name: str, name_span: Span, node: Node, what: str) -> DraftField:
        if isinstance(node, Scalar):
            return DraftField(name=name, name_span=name_span, span=node.span, type=self.word(node, f"{what}.type"))
        found = self.fields(node, keys.TYPE, what)
        if isinstance(node, Mapping) and "type" not in found and found:
            self.fault(Code.MISSING_KEY, f"{what} lacks the key `type`", node.entries[0][0].span, "such as `type: money`")
        of = found.get("of")
        rounding = self.word(found.get("rounding"), f"{what}.rounding")
        return DraftField(
            name=name,
            name_span=name_span,
            span=node.span,
            type=self.word(found.get("type"), f"{what}.type"),
            title=self.text(found.get("title"), f"{what}.title"),
            unit=self.unit(found.get("unit"), f"{what}.unit"),
            values=self.enum_values(found.get("values"), f"{what}.values"),
            of=self.field(name, of.span, of, f"{what}.of") if of is not None and _has_type_shape(of) else None,
            fields=tuple(self.field(k.text, k.span, v, f"{what}.{k.text}") for k, v in self.entries(found.get("fields"), f"{what}.fields")),
            minimum=self.expression(found.get("min"), f"{what}.min"),
            maximum=self.expression(found.get("max"), f"{what}.max"),
            default=self.expression(found.get("default"), f"{what}.default"),
            optional=self.flag(found.get("optional"), f"{what}.optional"),
            max_length=self.count(found.get("max_length"), f"{what}.max_length", 100_000),
            max_items=self.count(found.get("max_items"), f"{what}.max_items", 10_000),
            decimals=self.count(found.get("decimals"), f"{what}.decimals", 30),
            rounding=self.rounding(rounding),
        )

    def rounding(self, word: Scalar | None) -> str:
        allowed = ("half_up", "half_even", "up", "down")
        if word is None:
            return "half_up"
        if word.text not in allowed:
            self.fault(Code.BAD_VALUE, f"rounding is `{word.text[:40]}`", word.span, did_you_mean(word.text, allowed))
            return "half_up"
        return word.text

    def enum_values(self, node: Node | None, what: str) -> tuple[tuple[Scalar, DraftText | None], ...] | None:
        if node is None:
            return None
        pairs: list[tuple[Scalar, DraftText | None]] = []
        if isinstance(node, Mapping):
            pairs = [(k, self.text(v, f"{what}.{k.text}") if not (isinstance(v, Scalar) and not v.text) else None) for k, v in node.entries]
        elif isinstance(node, Sequence):
            pairs = [(w, None) for w in self.words_list(node, what)]
        else:
            self.fault(Code.WRONG_SHAPE, f"{what} must be a list of names", node.span, "such as `values: [first, last]`")
        good = []
        for word, title in pairs:
            if not ENUM_VALUE.match(word.text):
                self.fault(
                    Code.BAD_NAME,
                    f"the enum value `{word.text[:60]}` must be letters, digits and `_`, not beginning with a digit",
                    word.span,
                )
            elif word.text in RESERVED - {"all", "any", "contains"}:
                self.fault(
                    Code.BAD_NAME,
                    f"the enum value `{word.text}` is a word of the language",
                    word.span,
                    f"such as `{word.text}_` or a fuller name",
                )
            else:
                good.append((word, title))
        return tuple(good)

    def parameters(self, node: Node | None) -> tuple[DraftParameter, ...]:
        return tuple(p for p in (self.parameter(k, n) for k, n in self.entries(node, "parameters")) if p)

    def parameter(self, name: Scalar, node: Node) -> DraftParameter | None:
        what = f"parameter `{name.text}`"
        if name.text in keys.PARAMETER and not isinstance(node, Mapping):
            message = f"`{name.text}` stands where a parameter begins"
            self.fault(Code.WRONG_SHAPE, message, name.span, "indent it as the other keys of the parameter above")
            return None
        if isinstance(node, Scalar):
            words = self.expression(node, what)
            values = (DraftDated(value=words, effective=None, span=node.span),) if words else ()
            return DraftParameter(
                name=name.text,
                name_span=name.span,
                type=None,
                title=None,
                unit=None,
                clauses=(),
                set_by_company=False,
                same_as=None,
                reading=None,
                note=None,
                values=values,
            )
        found = self.fields(node, keys.PARAMETER, what)
        if "value" in found and "values" in found:
            self.fault(
                Code.DUPLICATE_KEY, f"{what} has both `value` and `values`", found["values"].span, "keep `values` where the figure is dated"
            )
        elif "value" not in found and "values" not in found and isinstance(node, Mapping):
            at = node.entries[0][0].span if node.entries else node.span
            self.fault(
                Code.MISSING_KEY, f"{what} needs either `value` or `values`", at, "`value: 3`, or `values: [{from: 2025-01-01, value: 3}]`"
            )
        type_node = found.get("type")
        of = found.get("of")
        type_word = self.word(type_node, f"{what}.type")
        draft_type = None
        if type_word is not None:
            element = self.field(name.text, of.span, of, f"{what}.of") if of is not None and _has_type_shape(of) else None
            draft_type = DraftField(name=name.text, name_span=name.span, span=type_word.span, type=type_word, of=element)
        return DraftParameter(
            name=name.text,
            name_span=name.span,
            type=draft_type,
            title=self.text(found.get("title"), f"{what}.title"),
            unit=self.unit(found.get("unit"), f"{what}.unit"),
            clauses=self.words_list(found.get("clause"), f"{what}.clause"),
            set_by_company=self.company(found.get("set_by"), f"{what}.set_by"),
            same_as=self.word(found.get("same_as"), f"{what}.same_as"),
            reading=self.text(found.get("reading"), f"{what}.reading"),
            note=self.text(found.get("note"), f"{what}.note"),
            values=self.dated(found, what),
        )

    def dated(self, found: Keys[str, Node], what: str) -> tuple[DraftDated, ...]:
        effective = self.effective(found.get("effective"), f"{what}.effective")
        single = found.get("value")
        if single is not None:
            words = self.expression(single, f"{what}.value")
            return (DraftDated(value=words, effective=effective, span=single.span),) if words else ()
        listed = found.get("values")
        if listed is None:
            return ()
        if not isinstance(listed, Sequence) or not listed.items:
            self.fault(
                Code.WRONG_SHAPE, f"{what}.values must be a list of dated figures", listed.span, "`values: [{from: 2025-01-01, value: 3}]`"
            )
            return ()
        out = []
        for item in listed.items:
            entry = self.fields(item, keys.DATED, f"{what}.values")
            words = self.expression(entry.get("value"), f"{what}.value")
            if words:
                dates = DraftEffective(
                    start=self.word(entry.get("from"), f"{what}.from"),
                    end=self.word(entry.get("to"), f"{what}.to"),
                    span=item.span,
                )
                out.append(DraftDated(value=words, effective=dates, span=item.span))
        return tuple(out)

    def value(self, name: Scalar, node: Node) -> DraftValue | None:
        what = f"value `{name.text}`"
        if not isinstance(node, Mapping):
            words = self.expression(node, what)
            return DraftValue(name=name.text, name_span=name.span, formula=words, title=None, unit=None) if words else None
        found = self.fields(node, keys.VALUE, what)
        words = self.expression(found.get("is"), what)
        unit = self.unit(found.get("unit"), f"{what}.unit")
        if words is None:
            return None
        title = self.text(found.get("title"), f"{what}.title")
        return DraftValue(name=name.text, name_span=name.span, formula=words, title=title, unit=unit)

    def values(self, node: Node | None, what: str) -> tuple[DraftValue, ...]:
        return tuple(v for v in (self.value(k, n) for k, n in self.entries(node, what)) if v)

    def row(self, node: Node, what: str, allowed: Keys[str, keys.Key]) -> DraftRow | None:
        before = len(self.findings)
        found = self.fields(node, allowed, what)
        row_id = self.word(found.get("id"), f"{what}.id")
        if row_id is None:
            if len(self.findings) == before:
                self.fault(Code.MISSING_KEY, f"{what} needs an `id`", node.span)
            return None
        if not ROW_ID.match(row_id.text):
            self.bad_id("the row id", row_id)
        what = f"row `{row_id.text[:60]}`"
        when = found.get("when")
        then = found.get("then")
        if then is None:
            self.fault(Code.MISSING_KEY, f"{what} lacks the key `then`", row_id.span, "say what it answers: `then: {outcome: ..}`")
        return DraftRow(
            id=row_id,
            clauses=self.words_list(found.get("clause"), f"{what}.clause"),
            when=self.cells(when, f"{what}.when", alternatives=True),
            then=self.cells(then, f"{what}.then", alternatives=False),
            then_span=then.span if then is not None else row_id.span,
            says=self.text(found.get("says"), f"{what}.says"),
            reading=self.text(found.get("reading"), f"{what}.reading"),
            note=self.text(found.get("note"), f"{what}.note"),
            set_by_company=self.company(found.get("set_by"), f"{what}.set_by"),
            effective=self.effective(found.get("effective"), f"{what}.effective"),
            span=Span(
                file=row_id.span.file,
                line=node.span.line,
                column=node.span.column,
                end_line=row_id.span.end_line,
                end_column=row_id.span.end_column,
            )
            if node.span.line == row_id.span.line
            else row_id.span,
        )

    def cells(self, node: Node | None, what: str, *, alternatives: bool) -> tuple[DraftEntry, ...]:
        if node is None or (isinstance(node, Scalar) and not node.text):
            return ()
        if not isinstance(node, Mapping):
            self.fault(
                Code.WRONG_SHAPE,
                f"{what} must be names with their {'tests' if alternatives else 'values'}",
                node.span,
                (wide_help(node.text) if isinstance(node, Scalar) else "") or f"such as {{amount: {'< 5' if alternatives else '5'}}}",
            )
            return ()
        out = []
        for key, value in node.entries:
            if isinstance(value, Scalar) and not value.text and value.plain:
                self.fault(
                    Code.WRONG_SHAPE,
                    f"{what}: `{key.text[:60]}` has no value",
                    key.span,
                    wide_help(key.text)
                    or (
                        'a comma inside a test separates keys here: quote the whole test, such as "A, B"'
                        if len(node.entries) > 1
                        else "write `-` for any value"
                    ),
                )
                continue
            words = self.expression(value, f"{what}.{key.text}", alternatives=alternatives)
            if words:
                out.append(DraftEntry(key=key, words=words))
        return tuple(out)

    def decision(self, name: Scalar, node: Node) -> DraftDecision:
        what = f"decision `{name.text}`"
        found = self.fields(node, keys.DECISION, what)
        rules = found.get("rules")
        rows: tuple[DraftRow, ...] = ()
        if isinstance(rules, Sequence):
            rows = self.each(rules.items, lambda n: self.row(n, f"a row of {what}", keys.ROW))
        elif rules is not None and not (isinstance(rules, Scalar) and not rules.text):
            self.fault(Code.WRONG_SHAPE, f"{what}.rules must be a list of rows", rules.span, "each row begins with `- id:`")
        default = found.get("default")
        each = found.get("for_each")
        for_each = None
        if each is not None:
            pairs = self.cells(each, f"{what}.for_each", alternatives=False)
            if len(pairs) != 1:
                self.fault(
                    Code.WRONG_SHAPE, f"{what}.for_each must name one item and one list", each.span, "`for_each: {payment: payments}`"
                )
            else:
                for_each = pairs[0]
        return DraftDecision(
            name=name.text,
            name_span=name.span,
            title=self.text(found.get("title"), f"{what}.title"),
            question=self.text(found.get("question"), f"{what}.question"),
            hit_policy=self.word(found.get("hit_policy"), f"{what}.hit_policy"),
            outputs=tuple(
                self.field(k.text, k.span, v, f"output `{k.text}`") for k, v in self.entries(found.get("outputs"), f"{what}.outputs")
            ),
            rows=rows,
            default=self.row(default, f"the default of {what}", keys.DEFAULT_ROW) if default is not None else None,
            for_each=for_each,
            values=self.values(found.get("values"), f"{what}.values"),
            accepts=self.acceptances(found.get("accepts"), what),
            must_log=self.flag(found.get("must_log"), f"{what}.must_log"),
            invariants=self.invariants(found.get("invariants"), what),
        )

    def acceptances(self, node: Node | None, what: str) -> tuple[DraftAcceptance, ...]:
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            self.fault(Code.WRONG_SHAPE, f"{what}.accepts must be a list", node.span, "`- {finding: gap, reason: {en: .., zh: ..}}`")
            return ()
        return self.each(node.items, lambda n: self.acceptance(n, f"an acceptance of {what}"))

    def acceptance(self, node: Node, what: str) -> DraftAcceptance | None:
        found = self.fields(node, keys.ACCEPTANCE, what)
        finding = self.word(found.get("finding"), f"{what}.finding")
        reason = self.text(found.get("reason"), f"{what}.reason")
        if finding is None or reason is None:
            return None
        when = found.get("when")
        return DraftAcceptance(
            finding=finding,
            rows=self.words_list(found.get("rows"), f"{what}.rows"),
            when=self.cells(when, f"{what}.when", alternatives=True) if when is not None else (),
            reason=reason,
            span=finding.span,
        )

    def invariants(self, node: Node | None, what: str) -> tuple[DraftInvariant, ...]:
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            self.fault(Code.WRONG_SHAPE, f"{what}.invariants must be a list", node.span, "each invariant begins with `- id:`")
            return ()
        return self.each(node.items, lambda n: self.invariant(n, f"an invariant of {what}"))

    def invariant(self, node: Node, what: str) -> DraftInvariant | None:
        found = self.fields(node, keys.INVARIANT, what)
        name = self.word(found.get("id"), f"{what}.id")
        if name is None:
            return None
        if not ROW_ID.match(name.text):
            self.bad_id("the invariant id", name)
        what = f"invariant `{name.text[:60]}`"
        return DraftInvariant(
            id=name,
            clauses=self.words_list(found.get("clause"), f"{what}.clause"),
            says=self.text(found.get("says"), f"{what}.says"),
            note=self.text(found.get("note"), f"{what}.note"),
            output=self.word(found.get("output"), f"{what}.output"),
            within=self.expression(found.get("within"), f"{what}.within", alternatives=True),
            never=self.word(found.get("never"), f"{what}.never"),
            order=self.ranks(found.get("order"), f"{what}.order"),
            grows=self.word(found.get("as"), f"{what}.as"),
            along=self.ranks(found.get("along"), f"{what}.along"),
            where=self.cells(found.get("where"), f"{what}.where", alternatives=True),
            in_force=self.words_list(found.get("in_force"), f"{what}.in_force"),
            exactly=self.count(found.get("exactly"), f"{what}.exactly", 1000),
            keys=tuple(sorted((key for key, _ in node.entries if key.text in found), key=_text)) if isinstance(node, Mapping) else (),
        )

    def ranks(self, node: Node | None, what: str) -> tuple[tuple[Scalar, ...], ...]:
        """Read values in order, lowest first; a list among them is one rank."""
        if node is None:
            return ()
        if not isinstance(node, Sequence) or not node.items:
            self.fault(
                Code.WRONG_SHAPE, f"{what} must be a list of values, lowest first", node.span, "such as `[refuse, [ship, ship_over_limit]]`"
            )
            return ()
        return tuple(rank for rank in (self.words_list(item, what) for item in node.items) if rank)

    @staticmethod
    def each(nodes: tuple[Node, ...], read: Callable[[Node], T | None]) -> tuple[T, ...]:
        return tuple(x for x in map(read, nodes) if x is not None)

    def book(self, tree: Node) -> Draft | None:
        found = self.fields(tree, keys.BOOK, "a book")
        policy = self.word(found.get("policy"), "policy")
        if policy is not None and not NAME.match(policy.text):
            self.fault(Code.BAD_NAME, f"the name `{policy.text[:60]}` must be lower case letters, digits and `_`", policy.span)
        if not found:
            return None
        if policy is None:
            policy = Scalar("unnamed", tree.span, tree.span, plain=True)
        source_node = found.get("source")
        documents: tuple[Scalar, ...] = ()
        if source_node is not None:
            inner = self.fields(source_node, keys.SOURCE, "source")
            documents = self.words_list(inner.get("document"), "source.document")
        return Draft(
            source=self.source,
            policy=policy,
            title=self.text(found.get("title"), "title"),
            documents=documents,
            currency=self.word(found.get("currency"), "currency"),
            time_zone=self.word(found.get("time_zone"), "time_zone"),
            effective=self.effective(found.get("effective"), "effective"),
            types=tuple(self.field(k.text, k.span, v, f"type `{k.text}`") for k, v in self.entries(found.get("types"), "types")),
            parameters=self.parameters(found.get("parameters")),
            inputs=tuple(self.field(k.text, k.span, v, f"input `{k.text}`") for k, v in self.entries(found.get("inputs"), "inputs")),
            values=self.values(found.get("values"), "values"),
            decisions=tuple(self.decision(k, v) for k, v in self.entries(found.get("decisions"), "decisions")),
            span=tree.span,
        )


def _text(word: Scalar) -> str:
    return word.text


def _key_help(key: Scalar, value: Node, allowed: Keys[str, keys.Key]) -> str:
    if wide := wide_help(key.text):
        return wide
    if isinstance(value, Scalar) and not value.text and "en" in allowed:
        return "a comma inside braces separates keys: quote the sentence"
    return did_you_mean(key.text, allowed)
