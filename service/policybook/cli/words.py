"""The captions of the command line, in both languages."""

from __future__ import annotations

import re
from typing import TypeAlias

from policybook.model.kinds import Text

Lang: TypeAlias = str
"""`en`, `zh` or `both`."""

_PARTS = re.compile(r"[^_.-]*[_.-]|[^_.-]+")

LANGS = ("en", "zh", "both")

_CAPTIONS = {
    "answer": Text("Answer", "结论"),
    "because": Text("Because", "依据"),
    "how": Text("How it was decided", "决策过程"),
    "looked_at": Text("looked at", "事实"),
    "figures": Text("figures", "参数"),
    "rows": Text("rows", "规则"),
    "gave": Text("gave", "结果"),
    "headroom": Text("headroom", "余量"),
    "why": Text("Why", "为什么"),
    "why_not": Text("What would change it", "怎样才会不同"),
    "what_if": Text("Along", "沿此变动"),
    "headroom_of": Text("How near it was", "余量"),
    "missing": Text("What is missing", "尚缺事实"),
    "refused": Text("Refused", "被拒绝"),
    "needed": Text("can change the answer", "可改变结论"),
    "undecided": Text("not known whether it matters", "未能判定"),
    "irrelevant": Text("does not matter", "不影响结论"),
    "room_below": Text("{} below {}", "比 {1} 低 {0}"),
    "room_above": Text("{} above {}", "比 {1} 高 {0}"),
    "room_before": Text("{} before {}", "早于 {1} {0}"),
    "room_after": Text("{} after {}", "晚于 {1} {0}"),
    "room_at": Text("exactly {}", "恰为 {}"),
    "from_there": Text("from there on:", "达到此界则："),
    "above_that": Text("above that:", "高于此界则："),
    "below_that": Text("below that:", "低于此界则："),
    "after_that": Text("after that:", "晚于此则："),
    "before_that": Text("before that:", "早于此则："),
    "would_no_match": Text("no row matches", "没有规则适用"),
    "would_refuse": Text("the request is refused", "请求被拒绝"),
    "would_nothing": Text("no row", "无规则"),
    "reading": Text("reading", "解读"),
    "no_match": Text("No row matched: the policy does not answer this.", "没有规则适用：制度对此没有规定。"),
    "no_items": Text("No row matched: there are no items.", "没有规则适用：无项目。"),
    "is": Text("is", "为"),
    "is_not": Text(", not", "，不满足"),
    "fails": Text(", which fails", "，不满足"),
    "meets": Text(",", "，满足"),
    "in_list": Text(", one of", "，属于"),
    "not_in_list": Text(", not one of", "，不属于"),
    "no_row": Text("no row matched", "没有规则适用"),
    "not_reached": Text("not reached", "未比较"),
    "n_rows": Text("{} rows", "{} 条"),
    "outranked": Text("matched, but another row comes first", "符合，但由其他规则决定"),
    "default": Text("when no other row matches", "其他规则都不适用时"),
    "as_of": Text("as of", "适用日"),
    "version": Text("version", "版本"),
    "since": Text("since", "自"),
    "set_by_company": Text("set by the company", "由公司设定"),
    "company": Text("company", "公司"),
    "clause": Text("clause", "条款"),
    "hit_policy": Text("hit policy", "命中策略"),
    "parameters": Text("Figures", "参数"),
    "inputs": Text("Inputs", "输入"),
    "further_inputs": Text("Inputs of the decisions it requires", "所依赖决策的输入"),
    "values": Text("Derived values", "推算值"),
    "decisions": Text("Decisions", "决策"),
    "outputs": Text("Outputs", "输出"),
    "requires": Text("requires", "依赖"),
    "for_each": Text("for each", "逐项"),
    "when": Text("when", "条件"),
    "then": Text("then", "则"),
    "else": Text("else", "否则"),
    "row": Text("row", "规则"),
    "optional": Text("optional", "可空"),
    "default_is": Text("default", "默认"),
    "not_in_force": Text("not in force", "未生效"),
    "document": Text("source document", "制度文件"),
    "in_force": Text("in force", "生效"),
    "from": Text("from {}", "{} 起"),
    "until": Text("until {}", "至 {}"),
    "always": Text("always", "始终"),
    "note": Text("note", "注"),
}

HIT_POLICIES = {
    "unique": Text("unique: at most one row matches", "唯一：至多一条规则适用"),
    "any": Text("any: rows that match agree", "任一：适用的规则结论一致"),
    "first": Text("first: the first row that matches", "首条：第一条适用的规则"),
    "priority": Text("priority: the row whose answer ranks highest", "优先：结论优先级最高的规则"),
    "collect": Text("collect: every row that matches", "汇集：所有适用的规则"),
    "rule_order": Text("rule order: every row that matches, as written", "规则顺序：所有适用的规则，按书写顺序"),
    "output_order": Text("output order: every row that matches, by rank of the answer", "结论顺序：所有适用的规则，按结论优先级"),
    "collect sum": Text("collect sum: every row that matches, added up", "汇总：所有适用的规则相加"),
    "collect min": Text("collect min: the least of the rows that match", "取小：适用规则中的最小值"),
    "collect max": Text("collect max: the greatest of the rows that match", "取大：适用规则中的最大值"),
    "collect count": Text("collect count: how many rows match", "计数：适用的规则数"),
}


def caption(name: str, lang: Lang) -> str:
    """Return a caption; in both languages the English one, as the sentences below it are in both."""
    return _CAPTIONS[name].get("en" if lang == "both" else lang)


def colon(lang: Lang) -> str:
    """Return what stands between a caption and what follows."""
    return "：" if lang == "zh" else ": "


def lines(text: Text, lang: Lang) -> tuple[str, ...]:
    """Return a text as the lines to show: one, or for both languages one each."""
    if lang != "both":
        return (text.get(lang),) if text else ()
    return tuple(dict.fromkeys(t for t in (text.en, text.zh) if t))


def labelled(name: str, text: Text, lang: Lang) -> tuple[str, ...]:
    """Return a text behind its caption, a line each language."""
    wanted = ("en", "zh") if lang == "both" else (lang,)
    if lang != "both" or not (text.en and text.zh):
        return (f"{caption(name, lang)}{colon(lang)}{text.get(wanted[0])}",) if text else ()
    return tuple(f"{caption(name, one)}{colon(one)}{text.get(one)}" for one in wanted)


def broken(name: str, width: int) -> str:
    """Break a long name into lines behind `_`, `.` or `-`, so that it makes its column no wider than need be."""
    out, line = [], ""
    for part in _PARTS.findall(name):
        if line and len(line) + len(part) > width:
            out.append(line)
            line = ""
        line += part
    return "\n".join((*out, line))


def joined(text: Text, lang: Lang) -> str:
    """Return a text on one line."""
    return "  ".join(lines(text, lang))
