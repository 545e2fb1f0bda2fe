"""Explanations as sentences, in English and Chinese; made from the data alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from policybook.explain.completion import Completion, Relevance
from policybook.explain.explainer import Reason
from policybook.explain.told import End, Told, headline, output_kind
from policybook.explain.what_if import Piece, Variation
from policybook.explain.why_not import Alternative, Change, WhyNot
from policybook.model.answer import Headroom, Outcome, Side
from policybook.model.book import Book, Decision
from policybook.model.kinds import DURATION, PERIOD, Base, Field, Kind, Text
from policybook.model.wording import unit_after
from policybook.trials.text import value_text
from policybook.values import Period, Value, duration_text

_DAY = timedelta(days=1)
_MOST_OUTPUTS = 3
_AND = Text(" and ", "、")


class Words:
    """Writes what concerns one decision of one book in one language, `en` or `zh`."""

    def __init__(self, book: Book, decision: Decision, language: str) -> None:
        self.book = book
        self.decision = decision
        self.language = language
        self.is_zh = language == "zh"

    def pick(self, en: str, zh: str) -> str:
        """Return the one of the language."""
        return zh if self.is_zh else en

    # Values

    def value(self, value: Value, kind: Kind, unit: Text | None = None) -> str:
        """Write a value: a choice by its title, a flag as yes or no."""
        if value is None:
            return self.pick("not stated", "未填")
        if isinstance(value, bool):
            return self.pick("yes", "是") if value else self.pick("no", "否")
        if kind.base is Base.ENUM:
            title = next((v.title.get(self.language) for v in kind.values if v.value == value), "")
            return title or str(value)
        if isinstance(value, tuple):
            return self.items(value, kind.element or kind) if value else self.pick("nothing", "无")
        if isinstance(value, Mapping):
            known = [(f, value.get(f.name)) for f in kind.fields]
            text = self.pick(", ", "，").join(f"{self.named(f)} {self.value(v, f.kind)}" for f, v in known if v is not None)
            return self.pick(f"({text})", f"（{text}）")
        if isinstance(value, timedelta):
            return self.length(value)
        if isinstance(value, Period):
            return self.period(value)
        text = value_text(value, kind, currency=self.book.currency, zone=self.book.zone, grouped=True)
        return text + unit_after(text, unit.get(self.language)) if unit else text

    def items(self, values: Sequence[Value], kind: Kind) -> str:
        return self.joined([self.value(v, kind) for v in values])

    def joined(self, parts: Sequence[str], last: Text = _AND) -> str:
        """Join parts: `a, b and c`."""
        if len(parts) < 2:
            return "".join(parts)
        return self.pick(", ", "、").join(parts[:-1]) + last.get(self.language) + parts[-1]

    def length(self, value: timedelta) -> str:
        """Write a length of time: `2 days`, `3 hours`; what is neither as in a book."""
        for unit, en, zh in ((_DAY, "day", "天"), (timedelta(hours=1), "hour", "小时"), (timedelta(minutes=1), "minute", "分钟")):
            count, rest = divmod(value, unit)
            if not rest and (count or unit is _DAY):
                return self.counted(count, en, zh)
        return duration_text(value)

    def period(self, value: Period) -> str:
        years, months = divmod(value.months, 12)
        return self.counted(years, "year", "年") if years and not months else self.counted(value.months, "month", "个月")

    def counted(self, count: int, en: str, zh: str) -> str:
        return f"{count:,} {zh}" if self.is_zh else f"{count:,} {en}{'' if abs(count) == 1 else 's'}"

    def named(self, field: Field) -> str:
        return field.title.get(self.language) or field.name

    # Outcomes

    def outcome(self, told: Told, names: Sequence[str] = ()) -> str:
        """Say in short what came of a request: `Invoice and ship (within-limit)`.

        Args:
            names: outputs that matter; none: what says best what the outcome is
        """
        if told.end is End.REFUSED:
            return self.pick("refused: ", "被拒绝：") + told.refusal
        if told.end is End.NO_MATCH:
            return self.pick("no row matches", "没有规则适用")
        rows = list(dict.fromkeys(told.rows))
        behind = f" ({', '.join(rows)})" if rows else ""
        behind = f"（{'、'.join(rows)}）" if rows and self.is_zh else behind
        head = headline(self.decision) if not names else None
        if names:
            outputs = [o for o in self.decision.outputs if o.name in names]
        elif head is not None:
            outputs = [head]
        else:
            outputs = [o for o in self.decision.outputs if told.outputs.get(o.name) not in (None, ())][:2]
        parts = []
        for output in outputs:
            kind = output_kind(self.decision, output)
            text = self.value(told.outputs.get(output.name), kind, output.unit)
            parts.append(text if head is not None and kind.base is Base.ENUM else f"{self.named(output)}{self.colon}{text}")
        if not parts:
            return self.pick("nothing", "无") + behind
        return self.pick("; ", "；").join(parts) + behind

    @property
    def colon(self) -> str:
        return self.pick(": ", "：")

    # Why

    def reason(self, reason: Reason) -> str:
        """Say which row of a table answered, by which clause, and what it gave."""
        decision = reason.decision
        title = decision.title.get(self.language) or decision.name
        if reason.item_number:
            title += self.pick(f" (element {reason.item_number})", f"（第 {reason.item_number} 项）")
        title = title.rstrip("?？")
        if reason.row is None:
            return f"{title}{self.colon}{self.pick('no row matched.', '没有规则适用。')}"
        row = reason.row
        says = row.says.get(self.language)
        behind = [f"{self.pick('clause ', '条款 ')}{self.pick(', ', '、').join(row.clauses)}"] if row.clauses else []
        behind.append(row.id)
        otherwise = self.pick("no other row matches.", "其他规则都不适用。") if row.is_default else self.pick("by this row.", "依此规则。")
        text = f"{title}{self.colon}{says or otherwise}"
        text += self.pick(f" [{', '.join(behind)}]", f"〔{'，'.join(behind)}〕")
        given = self.given(decision, reason)
        return f"{text} → {given}" if given else text

    def given(self, decision: Decision, reason: Reason) -> str:
        """Say what a row gave: of the decision that was asked, whose answer stands beside it, only the outcome."""
        parts: list[str] = []
        for output in decision.outputs:
            value = reason.outputs.get(output.name)
            if output.name not in reason.outputs or (parts and value in (None, (), False)):
                continue
            parts.append(f"{self.named(output)}{self.colon}{self.value(value, output.kind, output.unit)}")
            if decision.name == self.decision.name or len(parts) == _MOST_OUTPUTS:
                break
        return self.pick("; ", "；").join(parts)

    # Headroom

    def headroom(self, headroom: Headroom, decision: Decision) -> str:
        """Say how far a quantity may move: `Amount 2,500.00 CNY: 500.00 CNY below 3,000.00 CNY; from there on: Do not ship (cap-reached)`."""
        q = headroom.quantity
        name = q.title.get(self.language) or q.name
        now = self.value(q.value, q.kind, q.unit)
        limit = self.value(headroom.threshold, q.kind, q.unit)
        far = self.value(headroom.distance, headroom.distance_kind, q.unit if headroom.distance_kind == q.kind else None)
        below = headroom.side is Side.BELOW
        if headroom.threshold == q.value:
            where = self.pick("exactly on the threshold", "恰在界上")
            when = self.pick("above it" if below else "below it", "高于此值则" if below else "低于此值则")
        else:
            where = self.pick(f"{far} {'below' if below else 'above'} {limit}", f"比 {limit} {'低' if below else '高'} {far}")
            if headroom.included:
                when = self.pick("above that" if below else "below that", "高于此界则" if below else "低于此界则")
            else:
                when = self.pick("from there on", "达到此界则")
        beyond = headroom.beyond
        rows = [r.id for r in beyond.rows]
        end = End.REFUSED if beyond.refused else End.DECIDED if beyond.outcome is Outcome.DECIDED else End.NO_MATCH
        outcome = Words(self.book, decision, self.language).beyond(
            Told(end=end, rows=tuple(rows), places=(), outputs=beyond.outputs, refusal=beyond.refused)
        )
        return f"{name} {now}{self.pick(': ', '，')}{where}{self.pick('; ', '；')}{when}{self.colon}{outcome}"

    def beyond(self, told: Told) -> str:
        """Say what a table gives; of a table that gives items only which rows answer."""
        if told.outputs or told.end is not End.DECIDED:
            return self.outcome(told) if not (self.decision.hit_policy.multi and self.decision.aggregation is None) else self.rows(told)
        return self.rows(told)

    def rows(self, told: Told) -> str:
        return ", ".join(told.rows) or self.pick("no row", "无规则适用")

    # Why not

    def change(self, change: Change) -> str:
        """Say what became of an input: `Amount of this shipment 3,200.00 CNY less (1,000.00 CNY)`."""
        declared = change.declared
        name = self.named(declared)
        if declared.kind.base is Base.LIST:
            return self._list_change(change, name, declared.kind.element or declared.kind)
        after = self.value(change.after, declared.kind, declared.unit)
        if change.difference is None:
            if change.before is None:
                return self.pick(f"{name}: {after}", f"{name}填为“{after}”")
            before = self.value(change.before, declared.kind, declared.unit)
            return self.pick(f"{name}: {after} instead of {before}", f"{name}由“{before}”改为“{after}”")
        less = change.difference < 0
        match declared.kind.base:
            case Base.DATE:
                far = self.counted(int(abs(change.difference)), "day", "天")
                return self.pick(
                    f"{name} {far} {'earlier' if less else 'later'} ({after})", f"{name}{'提前' if less else '推后'} {far}（{after}）"
                )
            case Base.DATETIME | Base.TIME:
                far = self.length(timedelta(microseconds=int(abs(change.difference))))
                return self.pick(
                    f"{name} {far} {'earlier' if less else 'later'} ({after})", f"{name}{'提前' if less else '推后'} {far}（{after}）"
                )
            case Base.DURATION:
                far = self.value(timedelta(microseconds=int(abs(change.difference))), DURATION)
            case Base.PERIOD:
                far = self.value(Period(int(abs(change.difference))), PERIOD)
            case _:
                far = self.value(abs(change.difference), declared.kind, declared.unit)
        return self.pick(f"{name} {far} {'less' if less else 'more'} ({after})", f"{name}{'减少' if less else '增加'} {far}（为 {after}）")

    def _list_change(self, change: Change, name: str, kind: Kind) -> str:
        parts = []
        if change.added:
            added = self.items(change.added, kind)
            parts.append(self.pick(f"{added} added to {name}", f"{name}增加{added}"))
        if change.removed:
            removed = self.items(change.removed, kind)
            parts.append(self.pick(f"{removed} taken out of {name}", f"{name}去掉{removed}"))
        return self.joined(parts)

    def alternative(self, alternative: Alternative, names: Sequence[str] = ()) -> str:
        """Say one way to another outcome; `names` are the outputs that were wanted or compared, if some were named."""
        changes = self.joined([self.change(c) for c in alternative.changes], Text(" and ", "，且"))
        outcome = self.outcome(alternative.told, names)
        return self.pick(f"With {changes}: {outcome}", f"若{changes}：{outcome}")

    def why_not(self, why_not: WhyNot) -> str:
        """Say how far the search went."""
        number = self.counted(why_not.searched, "input", "项输入")
        if why_not.limited_by == "time":
            return self.pick("The time was used up; there may be more ways.", "时间用尽，可能还有其他途径。")
        if why_not.limited_by == "alternatives":
            return self.pick("There may be more ways than were asked for.", "除所求数量外，可能还有其他途径。")
        if why_not.alternatives:
            if why_not.proved < why_not.searched:
                return self.pick(
                    f"Whether other changes of up to {number} would do it is not proved.", f"改动不超过 {number}是否另有途径，未能证明。"
                )
            return self.pick(
                f"No other change of up to {number} does it; changes of more were not looked at.",
                f"改动不超过 {number}的其他途径已证明不存在；更多改动未予查找。",
            )
        if not why_not.changeable:
            return self.pick("No input may change.", "没有可改动的输入。")
        if why_not.proved < why_not.searched:
            return self.pick(
                f"No way was found; that there is none within {number} is not proved.", f"未找到途径；{number}以内是否存在未能证明。"
            )
        return self.pick(f"No change of up to {number} gives it: proved.", f"已证明：改动不超过 {number}无法得到该结论。")

    # What if

    def span(self, variation: Variation, piece: Piece) -> str:
        """Say which values a piece holds: `from 1,000.01 CNY to 2,999.99 CNY`."""
        kind, unit = variation.declared.kind, variation.declared.unit
        if kind.base is Base.LIST:
            inner = kind.element or kind
            if piece.added is not None:
                return self.pick(f"with {self.value(piece.added, inner)}", f"加上{self.value(piece.added, inner)}")
            if piece.removed is not None:
                return self.pick(f"without {self.value(piece.removed, inner)}", f"去掉{self.value(piece.removed, inner)}")
            return self.pick("as it is", "现状")
        if piece.values:
            return self.joined([self.value(v, kind, unit) for v in piece.values], Text(" or ", "或"))
        first, last = piece.first, piece.last
        if first is None and last is None:
            return self.pick("any", "任意")
        if first is None:
            return self.pick(f"up to {self.value(last, kind, unit)}", f"{self.value(last, kind, unit)} 及以下")
        if last is None:
            return self.pick(f"from {self.value(first, kind, unit)} on", f"{self.value(first, kind, unit)} 及以上")
        if first == last:
            return self.value(first, kind, unit)
        return self.pick(
            f"from {self.value(first, kind)} to {self.value(last, kind, unit)}",
            f"{self.value(first, kind)} 至 {self.value(last, kind, unit)}",
        )

    def piece(self, variation: Variation, piece: Piece) -> str:
        """Say which values have which outcome; the input itself is not named."""
        return f"{self.span(variation, piece)}{self.colon}{self.outcome(piece.told)}"

    def variation(self, variation: Variation) -> str:
        """Say how sure the pieces are."""
        if variation.proved:
            return self.pick("Proved: each line has one outcome throughout.", "已证明：每行之内结论不变。")
        return {
            "time": self.pick("The time was used up: looked at, not proved.", "时间用尽：已逐点核对，未予证明。"),
            "pieces": self.pick("There are more pieces than are shown.", "分段过多，未全部列出。"),
            "refusals": self.pick(
                "Some requests may be refused: each line was looked at at its ends and in its middle, not proved.",
                "部分请求可能被拒绝：各行仅核对两端及中点，未予证明。",
            ),
            "solver": self.pick("Each line was looked at at its ends and in its middle, not proved.", "各行仅核对两端及中点，未予证明。"),
            "values": self.pick("There are more values than are shown.", "取值过多，未全部列出。"),
            "text": self.pick("Any other text is possible.", "还可填写其他文字。"),
            "lists": self.pick("Only elements taken out are shown; others may come in.", "仅列出去掉元素的情形；还可增加其他元素。"),
        }[variation.limited_by]

    # What is missing

    def completion(self, completion: Completion) -> str:
        """Say what a request still needs."""
        if completion.settled is not None:
            return self.pick(
                f"The answer is settled, whatever else there is to state: {self.outcome(completion.settled)}",
                f"无论其余如何，结论已定：{self.outcome(completion.settled)}",
            )
        needed = [self.named(u.declared) for u in completion.unstated if u.relevance is Relevance.NEEDED]
        open_ = [self.named(u.declared) for u in completion.unstated if u.relevance is Relevance.UNDECIDED]
        parts = []
        if needed:
            parts.append(self.pick(f"Still needed, in this order: {', '.join(needed)}.", f"仍需依次填写：{'、'.join(needed)}。"))
        if open_:
            parts.append(self.pick(f"Not known whether they matter: {', '.join(open_)}.", f"未能判定是否相关：{'、'.join(open_)}。"))
        if not parts:
            return self.pick("Nothing that is not stated can change the answer.", "未填各项均不影响结论。")
        return " ".join(parts) if not self.is_zh else "".join(parts)
