"""Expressions and tests: names resolved, kinds checked, constants folded.

The expected kind is handed down so that an enum's value may be written bare.
"""

from __future__ import annotations

from fractions import Fraction

from policybook.check.scope import Findings, Scope
from policybook.diagnostics import Code, did_you_mean, nearest
from policybook.feel import nodes as n
from policybook.feel.parse import FeelError, parse_expression, parse_test
from policybook.load.draft import Words
from policybook.model import formula as m
from policybook.model import kinds as k
from policybook.model.calendar import Place
from policybook.model.evaluate import evaluate
from policybook.model.faults import FormulaError
from policybook.model.functions import FUNCTIONS, NEEDS_CALENDAR
from policybook.model.kinds import Base, Kind
from policybook.source import Span
from policybook.values import parse_datetime


class _UnboundError(Exception):
    """A fault was noted; the node has no meaning."""


class Binder:
    """Binds the texts of one book."""

    def __init__(self, findings: Findings, zone: Place) -> None:
        self.findings = findings
        self.zone = zone
        self.counts_working_days: Span | None = None

    def expression(self, words: Words, scope: Scope, expected: Kind | None = None) -> m.Formula | None:
        """Bind an expression; None when a fault was noted."""
        try:
            tree = parse_expression(words.text)
            return _Binding(self, words, scope).formula(tree, expected)
        except FeelError as e:
            self.bad(words, e, expected)
        except _UnboundError:
            pass
        return None

    def bad(self, words: Words, error: FeelError, expected: Kind | None) -> None:
        """Note a text that is not in the language; where a choice is expected, its values."""
        help_text = error.help
        if not help_text and expected is not None and expected.base is Base.ENUM:
            labels = [v.value for v in expected.values if v.title and words.text in (v.title.en, v.title.zh)]
            help_text = f"did you mean `{labels[0]}`?" if labels else hint(expected)
        self.findings.error(Code.BAD_EXPRESSION, f"`{_short(words.text)}`: {error.message}", words.at(error.start, error.end), help_text)

    def value(self, words: Words, scope: Scope, expected: Kind, what: str) -> m.Formula | None:
        """Bind an expression that must give a value of a declared kind."""
        formula = self.expression(words, scope, expected)
        if formula is None or accepts(expected, formula):
            return formula
        shown = f"{what} is {article(expected)}, `{_short(words.text)}` is {article(formula.kind)}"
        self.findings.error(Code.WRONG_TYPE, shown, words.span, hint_for(expected, formula))
        return None

    def constant(self, words: Words, expected: Kind, what: str) -> m.Const | None:
        """Bind a literal of a declared kind."""
        formula = self.value(words, Scope({}), expected, what)
        if formula is None:
            return None
        folded = fold(formula, self.zone)
        if isinstance(folded, m.Const):
            return folded
        self.findings.error(Code.WRONG_TYPE, f"{what} must be a plain value", words.span)
        return None

    def test(self, words: Words, scope: Scope, subject: Kind) -> m.Test | None:
        """Bind a unary test on a subject; None when a fault was noted."""
        try:
            tree = parse_test(words.text)
            return _Binding(self, words, scope).test(tree, subject)
        except FeelError as e:
            self.bad(words, e, subject)
        except _UnboundError:
            pass
        return None


def article(kind: Kind) -> str:
    """Say a kind with its article."""
    word = str(kind)
    if kind.base is Base.MONEY:
        return "money"
    if kind.base in (Base.TEXT, Base.NULL):
        return word
    return f"{'an' if word[:1] in 'aeiou' else 'a'} {word}"


def hint(kind: Kind) -> str:
    """Say how a value of a kind is written."""
    match kind.base:
        case Base.ENUM:
            return f"allowed: {', '.join(f'`{v}`' for v in kind.value_names[:12])}"
        case Base.TEXT:
            return "write text in double quotes: '\"text\"'"
        case Base.BOOLEAN:
            return "write `true` or `false`"
        case Base.DATE:
            return "write a date as `2026-03-25`"
        case Base.DATETIME:
            return "write a date and time as `2026-03-25T16:00:00+08:00`"
        case Base.TIME:
            return "write a time of day as `16:00`"
        case Base.DURATION:
            return "write a duration as `PT24H` or `P3D`"
        case Base.PERIOD:
            return "write a period as `P1M` or `P1Y`"
        case Base.LIST:
            return "write a list as `[a, b]`"
        case Base.MONEY:
            return "write an amount as a number: `500`"
        case Base.INTEGER:
            return "a whole number is needed; `floor(..)` or `ceiling(..)` makes one"
        case _:
            return ""


def hint_for(kind: Kind, formula: m.Formula) -> str:
    """Say how to mend a formula that should give a kind."""
    if isinstance(formula, m.Ref) and formula.role is m.Role.PARAMETER and kind.base is not Base.ENUM:
        return f"declare the parameter so: `{formula.name}: {{type: {kind.base.value}, ..}}`"
    return hint(kind)


def accepts(target: Kind, formula: m.Formula) -> bool:
    """Tell whether a formula may stand where a kind is declared; a written number may be money."""
    if k.fits(formula.kind, target):
        return True
    if isinstance(formula, m.Const):
        if target.base is Base.MONEY:
            return formula.kind.base in k.PLAIN_NUMBERS
        if target.base is Base.INTEGER:
            return formula.kind.base in k.PLAIN_NUMBERS and isinstance(formula.value, Fraction) and formula.value.denominator == 1
        return False
    if isinstance(formula, m.Choose):
        return accepts(target, formula.then) and accepts(target, formula.otherwise)
    if isinstance(formula, m.ListOf) and target.base is Base.LIST and target.element is not None:
        return all(accepts(target.element, i) for i in formula.items)
    if isinstance(formula, m.Call) and formula.function in ("min", "max", "coalesce"):
        return all(accepts(target, a) for a in formula.arguments)
    return False


def fold(formula: m.Formula, zone: Place) -> m.Formula:
    """Compute what has no names in it."""
    if isinstance(formula, m.Const) or any(True for _ in m.refs(formula)):
        return formula
    try:
        return m.Const(evaluate(formula, {}, zone), formula.kind)
    except FormulaError:
        return formula


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 60 else one_line[:57] + "..."


class _Binding:
    """Binds one text."""

    def __init__(self, binder: Binder, words: Words, scope: Scope) -> None:
        self.binder = binder
        self.findings = binder.findings
        self.zone = binder.zone
        self.words = words
        self.scope = scope

    def fail(self, code: Code, message: str, node: n.Node, help_text: str = "") -> _UnboundError:
        self.findings.error(code, message, self.words.at(node.start, node.end), help_text)
        return _UnboundError()

    # Expressions

    def formula(self, node: n.Expr, expected: Kind | None) -> m.Formula:  # noqa: PLR0912 - one case a node
        match node:
            case n.Number(value, percent):
                kind = k.PERCENT if percent else k.INTEGER if value.denominator == 1 else k.NUMBER
                return m.Const(value, kind)
            case n.String(value):
                if expected is not None and expected.base is Base.ENUM:
                    return self.enum_value(value, expected, node)
                return m.Const(value, k.TEXT)
            case n.Boolean(value):
                return m.Const(value, k.BOOLEAN)
            case n.Null():
                return m.Const(None, k.NULL)
            case n.Temporal(value):
                return self.temporal(node, value)
            case n.Name(parts):
                return self.name(node, parts, expected)
            case n.Negation(operand):
                inner = self.formula(operand, expected)
                if not inner.kind.numeric and inner.kind.base not in (Base.DURATION, Base.PERIOD):
                    raise self.fail(Code.WRONG_TYPE, f"`-` before {article(inner.kind)}", node)
                minus_one = m.Const(Fraction(-1), k.INTEGER)
                return self.folded(m.Arith("*", inner, minus_one, inner.kind), node)
            case n.Arithmetic(op, left, right):
                return self.arithmetic(node, op, left, right)
            case n.Comparison(op, left, right):
                a, b = self.pair(left, right)
                if not k.comparable(a.kind, b.kind) and not self.literal_money(a, b):
                    raise self.fail(Code.WRONG_TYPE, f"{article(a.kind)} is compared with {article(b.kind)}", node)
                if op not in ("=", "!=") and not (a.kind.ordered and b.kind.ordered):
                    which = a.kind if not a.kind.ordered else b.kind
                    raise self.fail(Code.WRONG_TYPE, f"{article(which)} has no order for `{op}`", node, "use `=` or `!=`")
                return self.folded(m.Compare(op, a, b), node)
            case n.Logic(op, left, right):
                return self.folded(m.Logic(op, self.truth(left), self.truth(right)), node)
            case n.Not(operand):
                return self.folded(m.Not(self.truth(operand)), node)
            case n.If(condition, then, otherwise):
                return self.choose(node, condition, then, otherwise, expected)
            case n.Call(function, arguments):
                return self.call(node, function, arguments, expected)
            case n.ListOf(items):
                return self.list_of(node, items, expected)
            case n.Member(item, among):
                return self.member(node, item, among)

    def folded(self, formula: m.Formula, node: n.Node) -> m.Formula:
        if any(not isinstance(c, m.Const) for c in m.children(formula)):
            return formula
        try:
            return m.Const(evaluate(formula, {}, self.zone), formula.kind)
        except FormulaError as e:
            code = Code.DIVISION_BY_ZERO if "zero" in str(e) else Code.BAD_VALUE
            raise self.fail(code, f"`{_short(self.words.text)}`: {e}", node) from None

    def temporal(self, node: n.Node, value: object) -> m.Formula:
        if isinstance(value, str):
            try:
                return m.Const(parse_datetime(value, self.zone), k.DATETIME)
            except ValueError as e:
                raise self.fail(Code.BAD_VALUE, str(e), node) from None
        kind = {"date": k.DATE, "time": k.TIME, "timedelta": k.DURATION, "Period": k.PERIOD}[type(value).__name__]
        return m.Const(value, kind)  # type: ignore[arg-type]

    def enum_value(self, text: str, expected: Kind, node: n.Node) -> m.Const:
        if text not in expected.value_names:
            raise self.fail(
                Code.UNKNOWN_NAME,
                f"`{_short(text)}` is not a value of {expected}" if expected.name else f"`{_short(text)}` is not one of the allowed values",
                node,
                did_you_mean(text, expected.value_names),
            )
        return m.Const(text, expected)

    def name(self, node: n.Node, parts: tuple[str, ...], expected: Kind | None) -> m.Formula:
        if expected is not None and expected.base is Base.ENUM and len(parts) == 1 and parts[0] in expected.value_names:
            other = self.scope.names.get(parts[0])
            if other is not None and accepts(expected, other):
                message = f"`{parts[0]}` is read as the value of {expected}, but an {other.role.value} has that name too"
                self.findings.warn(Code.AMBIGUOUS_NAME, message, self.words.at(node.start, node.end), f"rename the {other.role.value}")
            return m.Const(parts[0], expected)
        found = self.scope.resolve(parts)
        if found is not None:
            return found
        dotted = ".".join(parts)
        if parts[0] in self.scope.broken:
            raise _UnboundError
        known = list(self.scope.candidates())
        if expected is not None and expected.base is Base.ENUM:
            known += expected.value_names
            help_text = did_you_mean(dotted, known) if len(parts) > 1 else (did_you_mean(dotted, expected.value_names))
            values = f"a value of {expected}" if expected.name else "one of the allowed values"
            raise self.fail(Code.UNKNOWN_NAME, f"`{dotted}` is neither {values} nor a name in this book", node, help_text)
        if expected is not None and expected.base is Base.TEXT:
            raise self.fail(Code.UNKNOWN_NAME, f"nothing here is named `{dotted}`", node, f"for the text itself write '\"{dotted}\"'")
        if dotted in FUNCTIONS:
            raise self.fail(Code.UNKNOWN_NAME, f"`{dotted}` is a function", node, FUNCTIONS[dotted].signature)
        if not known:
            help_text = "a plain value stands here, such as `500` or `30%`"
        elif expected is not None and not nearest(dotted, known):
            help_text = hint(expected) or did_you_mean(dotted, known)
        else:
            help_text = did_you_mean(dotted, known)
        raise self.fail(Code.UNKNOWN_NAME, f"nothing here is named `{dotted}`", node, help_text)

    def unknown(self, node: n.Expr) -> bool:
        return isinstance(node, n.Name) and self.scope.resolve(node.parts) is None

    def pair(self, left: n.Expr, right: n.Expr) -> tuple[m.Formula, m.Formula]:
        """Bind two sides, each giving the other its expected kind."""
        if self.unknown(left) and not self.unknown(right):
            b = self.formula(right, None)
            return self.formula(left, b.kind), b
        a = self.formula(left, None)
        return a, self.formula(right, a.kind)

    @staticmethod
    def literal_money(a: m.Formula, b: m.Formula) -> bool:
        return (a.kind.base is Base.MONEY and isinstance(b, m.Const) and b.kind.base in k.PLAIN_NUMBERS) or (
            b.kind.base is Base.MONEY and isinstance(a, m.Const) and a.kind.base in k.PLAIN_NUMBERS
        )

    def truth(self, node: n.Expr) -> m.Formula:
        inner = self.formula(node, k.BOOLEAN)
        if inner.kind.base not in (Base.BOOLEAN, Base.NULL):
            raise self.fail(Code.WRONG_TYPE, f"true or false is needed, this is {article(inner.kind)}", node)
        return inner

    def arithmetic(self, node: n.Node, op: str, left: n.Expr, right: n.Expr) -> m.Formula:
        a, b = self.formula(left, None), self.formula(right, None)
        kind = _arithmetic_kind(op, a, b)
        if kind is None:
            raise self.fail(
                Code.WRONG_TYPE,
                f"`{op}` has no meaning between {article(a.kind)} and {article(b.kind)}",
                node,
                _arithmetic_help(op, a.kind, b.kind),
            )
        if op == "/" and isinstance(b, m.Const) and b.value == 0:
            raise self.fail(Code.DIVISION_BY_ZERO, f"`{_short(self.words.text)}` divides by zero", node)
        return self.folded(m.Arith(op, a, b, kind), node)

    def choose(self, node: n.Node, condition: n.Expr, then: n.Expr, otherwise: n.Expr, expected: Kind | None) -> m.Formula:
        test = self.truth(condition)
        if expected is None and self.unknown(then):
            b = self.formula(otherwise, None)
            a = self.formula(then, b.kind)
        else:
            a = self.formula(then, expected)
            b = self.formula(otherwise, expected if expected is not None else a.kind)
        kind = k.merge(a.kind, b.kind)
        if kind is None and self.literal_money(a, b):
            kind = k.MONEY
        if kind is None and expected is not None and accepts(expected, a) and accepts(expected, b):
            kind = expected
        if kind is None:
            raise self.fail(Code.WRONG_TYPE, f"`then` gives {article(a.kind)}, `else` gives {article(b.kind)}", node)
        return m.Choose(test, a, b, kind)

    def call(self, node: n.Call, name: str, arguments: tuple[n.Expr, ...], expected: Kind | None) -> m.Formula:
        function = FUNCTIONS.get(name)
        if function is None:
            raise self.fail(Code.UNKNOWN_NAME, f"there is no function `{name}`", node, did_you_mean(name, FUNCTIONS))
        bound: list[m.Formula] = []
        wanted = expected if name in ("coalesce", "min", "max", "concat", "distinct", "difference") else None
        for i, argument in enumerate(arguments):
            if i > 0 and name in ("contains", "index_of"):
                wanted = bound[0].kind.element
            elif i > 0 and name == "coalesce":
                wanted = bound[0].kind
            bound.append(self.formula(argument, wanted))
        if name in NEEDS_CALENDAR and self.binder.counts_working_days is None:
            self.binder.counts_working_days = self.words.at(node.start, node.end)
        kinds = [a.kind for a in bound]
        if any(x.base is Base.MONEY for x in kinds) and name in ("min", "max", "coalesce"):
            kinds = [k.MONEY if isinstance(a, m.Const) and a.kind.base in k.PLAIN_NUMBERS else a.kind for a in bound]
        try:
            kind = function.result(kinds)
        except TypeError as e:
            raise self.fail(Code.WRONG_TYPE, f"`{name}`: {e}", node) from None
        return self.folded(m.Call(name, tuple(bound), kind), node)

    def list_of(self, node: n.Node, items: tuple[n.Expr, ...], expected: Kind | None) -> m.Formula:
        wanted = expected.element if expected is not None and expected.base is Base.LIST else None
        bound = tuple(self.formula(i, wanted) for i in items)
        element = wanted
        if bound and not (wanted is not None and all(accepts(wanted, b) for b in bound)):
            element = bound[0].kind
            for other in bound[1:]:
                merged = k.merge(element, other.kind)
                if merged is None:
                    raise self.fail(
                        Code.WRONG_TYPE, f"a list holds one type; this one has {article(element)} and {article(other.kind)}", node
                    )
                element = merged
        return self.folded(m.ListOf(bound, element), node)

    def member(self, node: n.Node, item: n.Expr, among: n.Expr) -> m.Formula:
        if self.unknown(item):
            b = self.formula(among, None)
            a = self.formula(item, b.kind.element)
        else:
            a = self.formula(item, None)
            b = self.formula(among, k.list_of(a.kind))
        self.check_member(a.kind, b.kind, node)
        return self.folded(m.Member(a, b), node)

    def check_member(self, item: Kind, among: Kind, node: n.Node) -> None:
        if among.base is not Base.LIST:
            raise self.fail(Code.WRONG_TYPE, f"`in` needs a list, this is {article(among)}", node)
        if among.element is not None and not k.comparable(item, among.element):
            raise self.fail(Code.WRONG_TYPE, f"{article(item)} is sought in {article(among)}", node)

    # Tests

    def test(self, node: n.Test, subject: Kind) -> m.Test:
        match node:
            case n.AnyTest():
                return m.Anything()
            case n.NullTest():
                return m.IsNull()
            case n.EqualTest(n.ListOf(items)) if subject.base is not Base.LIST:
                return m.OneOf(tuple(m.Equals(self.against(i, subject)) for i in items))
            case n.EqualTest(value):
                return m.Equals(self.against(value, subject))
            case n.CompareTest(op, value):
                return m.Compares(op, self.bound(value, subject, node))
            case n.IntervalTest(low, high, low_included, high_included):
                return self.between(node, subject, low, high, low_included, high_included)
            case n.OneOfTest(tests):
                return m.OneOf(tuple(self.test(t, subject) for t in tests))
            case n.NoneOfTest(tests):
                return m.NoneOf(tuple(self.test(t, subject) for t in tests))
            case n.ContainsTest(every, values):
                if subject.base is not Base.LIST:
                    raise self.fail(Code.WRONG_TYPE, f"`contains` needs a list, this is {article(subject)}", node)
                element = subject.element or k.TEXT
                return m.Contains(every, tuple(self.against(v, element) for v in values))
            case n.InTest(among):
                formula = self.formula(among, k.list_of(subject))
                self.check_member(subject, formula.kind, node)
                return m.ElementOf(formula)

    def against(self, value: n.Expr, subject: Kind) -> m.Formula:
        """Bind what a subject is compared with."""
        formula = self.formula(value, subject)
        if k.comparable(formula.kind, subject) or (isinstance(formula, m.Const) and accepts(subject, formula)):
            return formula
        shown = f"the value is {article(subject)}, this is {article(formula.kind)}"
        help_text = hint_for(subject, formula)
        if subject.base is Base.LIST and subject.element and k.comparable(formula.kind, subject.element):
            help_text = "write `contains ..` to look into a list"
        raise self.fail(Code.WRONG_TYPE, shown, value, help_text)

    def bound(self, value: n.Expr, subject: Kind, node: n.Node) -> m.Formula:
        if not subject.ordered:
            raise self.fail(Code.WRONG_TYPE, f"{article(subject)} has no order to compare by", node, hint(subject))
        formula = self.against(value, subject)
        if isinstance(formula, m.Const) and formula.value is None:
            raise self.fail(Code.WRONG_TYPE, "null has no order", node, "test for it alone: `null`")
        return formula

    def between(self, node: n.Node, subject: Kind, low: n.Expr, high: n.Expr, low_included: bool, high_included: bool) -> m.Test:
        a, b = self.bound(low, subject, node), self.bound(high, subject, node)
        if isinstance(a, m.Const) and isinstance(b, m.Const):
            empty = a.value > b.value or (a.value == b.value and not (low_included and high_included))  # type: ignore[operator]
            if empty:
                raise self.fail(
                    Code.BAD_VALUE, f"the interval `{_short(self.words.text)}` holds nothing", node, "the smaller end comes first"
                )
        return m.Between(a, b, low_included, high_included)


def _arithmetic_kind(op: str, left: m.Formula, right: m.Formula) -> Kind | None:
    a, b = left.kind, right.kind
    if a.base is Base.NULL or b.base is Base.NULL:
        return a if b.base is Base.NULL else b
    plain_a, plain_b = a.base in k.PLAIN_NUMBERS, b.base in k.PLAIN_NUMBERS
    money_a, money_b = a.base is Base.MONEY, b.base is Base.MONEY
    moment_a, moment_b = a.base in (Base.DATE, Base.DATETIME), b.base in (Base.DATE, Base.DATETIME)
    length_a, length_b = a.base in (Base.DURATION, Base.PERIOD), b.base in (Base.DURATION, Base.PERIOD)
    if plain_a and plain_b:
        whole = a.base is Base.INTEGER and b.base is Base.INTEGER and op != "/"
        return k.INTEGER if whole else k.NUMBER
    if op in "+-":
        if money_a and money_b:
            return k.MONEY
        if _Binding.literal_money(left, right):
            return k.MONEY
        if moment_a and length_b:
            return a
        if op == "+" and length_a and moment_b:
            return b
        if op == "-" and moment_a and a.base is b.base:
            return k.DURATION
        return a if length_a and a.base is b.base else None
    if op == "*":
        if (money_a or length_a) and plain_b:
            return a
        return b if plain_a and (money_b or length_b) else None
    if (money_a or a.base is Base.DURATION) and plain_b:
        return a
    return k.NUMBER if a.base is b.base and (money_a or a.base is Base.DURATION) else None


def _arithmetic_help(op: str, a: Kind, b: Kind) -> str:
    bases = {a.base, b.base}
    if Base.MONEY in bases and op in "+-":
        return "money is added to money; multiply by a ratio instead"
    if bases & {Base.DATE, Base.DATETIME} and bases & k.PLAIN_NUMBERS:
        return "add days as a duration: `+ P3D`, or `+ days(n)`"
    return ""
