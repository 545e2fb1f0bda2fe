"""A decision as plain text of several lines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from policybook_client.decision import (
    Decision,
    Headroom,
    HeadroomOutcome,
    HeadroomSide,
    MatchedRule,
    NamedValue,
    ParameterTrace,
    RowTrace,
    RowVerdict,
    TableTrace,
)
from policybook_client.values import Money, Record, text_of

_Captions = dict[str | RowVerdict, str]

_CAPTIONS: Final[dict[str, _Captions]] = {
    "en": {
        "as of": "as of",
        "no match": "no row matched, and the table has no default",
        "items": "items",
        "because": "because",
        "reading": "read as",
        "inputs": "inputs",
        "figures": "figures",
        "rows": "rows",
        "company": "set by the company",
        "since": "since",
        "item": "item {}",
        "default": "default",
        "headroom": "headroom",
        "below": "{} below {}",
        "above": "{} above {}",
        "at": "exactly {}",
        "from there": "from there on",
        "past": "beyond that",
        "no row": "no row",
        "refused": "the request is refused",
        RowVerdict.UNKNOWN: "unknown verdict",
        RowVerdict.SELECTED: "selected",
        RowVerdict.OUTRANKED: "outranked",
        RowVerdict.NOT_MATCHED: "not matched",
        RowVerdict.NOT_REACHED: "not reached",
    },
    "zh": {
        "as of": "截至",
        "no match": "没有规则命中，且决策表没有默认行",
        "items": "明细",
        "because": "依据",
        "reading": "理解为",
        "inputs": "输入",
        "figures": "参数",
        "rows": "规则行",
        "company": "公司自定",
        "since": "生效日",
        "item": "第 {} 项",
        "default": "默认",
        "headroom": "余量",
        "below": "比 {1} 低 {0}",
        "above": "比 {1} 高 {0}",
        "at": "恰为 {}",
        "from there": "达到此界则",
        "past": "越过此界则",
        "no row": "没有规则适用",
        "refused": "请求被拒绝",
        RowVerdict.UNKNOWN: "未知",
        RowVerdict.SELECTED: "采用",
        RowVerdict.OUTRANKED: "命中但未采用",
        RowVerdict.NOT_MATCHED: "未命中",
        RowVerdict.NOT_REACHED: "未轮到",
    },
}
_MARKS: Final = {
    RowVerdict.UNKNOWN: "?",
    RowVerdict.SELECTED: "✓",
    RowVerdict.OUTRANKED: "~",
    RowVerdict.NOT_MATCHED: "✗",
    RowVerdict.NOT_REACHED: "-",
}


def explain(decision: Decision, language: str) -> str:
    """Write the answer, the rules it rests on, and the trace as far as there is one."""
    words = _CAPTIONS["zh" if language.partition("-")[0].lower() == "zh" else "en"]
    lines = [f"{decision.decision}  {words['as of']} {decision.as_of}"]
    if not decision.decided:
        lines.append(f"  {words['no match']}")
    lines += _indent(_outputs(decision.outputs))
    if decision.items:
        lines.append(f"  {words['items']}")
        lines += _indent(map(str, decision.items), 4)
    if decision.matched_rules:
        lines.append(f"  {words['because']}")
        lines += _indent(_rules(decision.matched_rules, words), 4)
    for table in decision.trace.tables if decision.trace else ():
        lines += ["", *_table(table, words)]
    footer = [decision.policy, decision.policy_version[:12], decision.id]
    if decision.trace:
        footer.append(f"{decision.trace.elapsed.total_seconds() * 1000:.2f} ms")
    return "\n".join((*lines, "", "  ".join(filter(None, footer))))


def _rules(rules: Iterable[MatchedRule], words: _Captions) -> Iterator[str]:
    for rule in rules:
        yield "  ".join(filter(None, (rule.row_id, _clauses(rule.clauses), rule.says)))
        if rule.reading:
            yield f"  {words['reading']}: {rule.reading}"


def _table(table: TableTrace, words: _Captions) -> Iterator[str]:
    at = words["item"].format(table.item_number) if table.item_number else ""
    yield "  ".join(filter(None, (table.decision, at, f"({table.hit_policy})", table.title)))
    if table.inputs:
        yield f"  {words['inputs']}"
        yield from _indent(_columns([(v.name, _with_unit(v), v.title) for v in table.inputs]), 4)
    if table.parameters:
        yield f"  {words['figures']}"
        figures = [
            (
                p.name,
                _with_unit(p),
                _clauses(p.clauses),
                words["company"] if p.set_by_company else "",
                f"{words['since']} {p.effective_from}" if p.effective_from else "",
                p.title,
            )
            for p in table.parameters
        ]
        yield from _indent(_columns(figures), 4)
    if table.rows:
        yield f"  {words['rows']}"
        yield from _indent(_rows(table.rows, words), 4)
    yield from _indent(_outputs(table.outputs))
    if table.headroom:
        yield f"  {words['headroom']}"
        yield from _indent(_columns([_headroom(h, words) for h in table.headroom]), 4)


def _headroom(headroom: Headroom, words: _Captions) -> tuple[str, str, str]:
    """Say how far a quantity may move, and what comes then."""
    threshold, distance = text_of(headroom.threshold), text_of(headroom.distance)
    if headroom.threshold == headroom.quantity.value:
        where = words["at"].format(threshold)
    else:
        side = "below" if headroom.side is HeadroomSide.BELOW else "above"
        where = words[side].format(distance, threshold)
    when = words["past" if headroom.threshold_included else "from there"]
    if headroom.beyond_outcome is HeadroomOutcome.REFUSED:
        then = words["refused"]
    else:
        then = ", ".join(headroom.beyond_row_ids) or words["no row"]
        if headroom.beyond_outputs:
            then += f" ({', '.join(f'{n}={text_of(v)}' for n, v in headroom.beyond_outputs.items())})"
    return headroom.quantity.name, where, f"{when}: {then}"


def _rows(rows: Sequence[RowTrace], words: _Captions) -> Iterator[str]:
    heads = _columns(
        [
            (
                f"{_MARKS[row.verdict]} {row.row_id}",
                words[row.verdict] + (f" ({words['default']})" if row.is_default else ""),
                _clauses(row.clauses),
                row.says,
            )
            for row in rows
        ]
    )
    for row, head in zip(rows, heads, strict=True):
        yield head
        cells = [(c.name, c.test, text_of(c.actual), "✓" if c.passed else "✗") for c in row.cells]
        yield from _indent(_columns(cells), 4)


def _outputs(outputs: Record) -> list[str]:
    return _columns([("→", name, text_of(value)) for name, value in outputs.items()])


def _with_unit(value: NamedValue | ParameterTrace) -> str:
    text, unit = text_of(value.value), value.unit
    if isinstance(value.value, Money):
        # An amount brings its currency with it: `5 CNY` and `CNY a year`, or `元/年`.
        names = (value.value.currency, *(("元",) if value.value.currency == "CNY" else ()))
        name = next((n for n in names if re.match(rf"{re.escape(n)}(?![A-Za-z0-9])", unit)), "")
        unit = unit.removeprefix(name).strip()
    if not unit:
        return text
    return f"{text}{unit}" if unit[0] in "（/" else f"{text} {unit}"


def _clauses(clauses: Sequence[str]) -> str:
    return f"[{', '.join(clauses)}]" if clauses else ""


def _indent(lines: Iterable[str], by: int = 2) -> Iterator[str]:
    return (" " * by + line for line in lines)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align rows of equal length; columns that are empty in every row are left out."""
    kept = [column for column in zip(*rows, strict=True) if any(column)]
    padded = []
    for column in kept:
        width = max(map(_width, column))
        padded.append([text + " " * (width - _width(text)) for text in column])
    return ["  ".join(cells).rstrip() for cells in zip(*padded, strict=True)]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
