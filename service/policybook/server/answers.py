"""Answers to serialized responses. What does not change from request to request is encoded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from google.protobuf.duration_pb2 import Duration

from policybook.desk import Sheet
from policybook.model.answer import (
    Answer,
    Beyond,
    Headroom,
    Item,
    NamedValue,
    Outcome,
    RowVerdict,
    Side,
    TableTrace,
    UsedParameter,
    Verdict,
)
from policybook.model.book import Decision, Row
from policybook.model.kinds import Kind
from policybook.server import wire
from policybook.server.convert import ENCODERS, NULL, Encoder, encode, position_of, stamp_bytes
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import trace_pb2 as trace_pb

_DECISION_ID = wire.tag(pb.DecideResponse, "decision_id")
_REQUEST_ID = wire.tag(pb.DecideResponse, "request_id")
_DECISION = wire.tag(pb.DecideResponse, "decision")
_VERSION = wire.tag(pb.DecideResponse, "policy_version")
_AS_OF = wire.tag(pb.DecideResponse, "as_of_date")
_DECIDED_AT = wire.tag(pb.DecideResponse, "decide_time")
_OUTPUTS = wire.tag(pb.DecideResponse, "outputs")
_ITEMS = wire.tag(pb.DecideResponse, "items")
_MATCHED = wire.tag(pb.DecideResponse, "matched_rules")
_TRACE = wire.tag(pb.DecideResponse, "trace")
_OUTCOME = {
    Outcome.DECIDED: wire.number(wire.tag(pb.DecideResponse, "outcome"), pb.OUTCOME_DECIDED),
    Outcome.NO_MATCH: wire.number(wire.tag(pb.DecideResponse, "outcome"), pb.OUTCOME_NO_MATCH),
}
_ITEM_ROW = wire.tag(pb.OutputItem, "row_id")
_ITEM_NUMBER = wire.tag(pb.OutputItem, "item_number")
_ITEM_OUTPUTS = wire.tag(pb.OutputItem, "outputs")
_TABLES = wire.tag(trace_pb.Trace, "tables")
_ELAPSED = wire.tag(trace_pb.Trace, "elapsed")
_TABLE_ITEM = wire.tag(trace_pb.TableTrace, "item_number")
_TABLE_INPUTS = wire.tag(trace_pb.TableTrace, "inputs")
_TABLE_PARAMETERS = wire.tag(trace_pb.TableTrace, "parameters")
_TABLE_ROWS = wire.tag(trace_pb.TableTrace, "rows")
_TABLE_OUTPUTS = wire.tag(trace_pb.TableTrace, "outputs")
_TABLE_HEADROOM = wire.tag(trace_pb.TableTrace, "headroom")
_QUANTITY = wire.tag(trace_pb.Headroom, "quantity")
_THRESHOLD = wire.tag(trace_pb.Headroom, "threshold")
_DISTANCE = wire.tag(trace_pb.Headroom, "distance")
_INCLUDED = wire.number(wire.tag(trace_pb.Headroom, "threshold_included"), 1)
_BEYOND_OUTPUTS = wire.tag(trace_pb.Headroom, "beyond_outputs")
_NAMED_VALUE = wire.tag(trace_pb.NamedValue, "value")
_CELLS = wire.tag(trace_pb.RowTrace, "cells")
_VERDICT = wire.tag(trace_pb.RowTrace, "verdict")
_ACTUAL = wire.tag(trace_pb.CellTrace, "actual")
_PASSED = wire.number(wire.tag(trace_pb.CellTrace, "passed"), 1)
_VERDICTS = {
    Verdict.SELECTED: wire.number(_VERDICT, trace_pb.ROW_VERDICT_SELECTED),
    Verdict.OUTRANKED: wire.number(_VERDICT, trace_pb.ROW_VERDICT_OUTRANKED),
    Verdict.NOT_MATCHED: wire.number(_VERDICT, trace_pb.ROW_VERDICT_NOT_MATCHED),
    Verdict.NOT_REACHED: wire.number(_VERDICT, trace_pb.ROW_VERDICT_NOT_REACHED),
}
# Hashing a member of an Enum runs Python code; the common case goes without.
_SELECTED = _VERDICTS[Verdict.SELECTED]
_KEY, _VALUE = b"\x0a", b"\x12"

MAX_PRINTS = 512
# Answers of one decision that are kept encoded.
MAX_RESULTS = 4_096
# Constant parts of headroom that are kept of one decision.
MAX_HEADROOM = 4_096


class Seen:
    """What was encoded of answers that are encoded together: they mostly look at the same things, and share objects.

    INVARIANT: each object is held, so that no other can come to stand in its place.
    """

    def __init__(self) -> None:
        # Name -> what was encoded last, and its bytes: the tables of one answer hold equal values in objects of their own.
        self.named: dict[str, tuple[NamedValue, bytes]] = {}
        self.rows: dict[int, tuple[tuple[RowVerdict, ...], bytes]] = {}
        self.outputs: dict[int, tuple[Mapping[str, Any], bytes]] = {}
        self.tables: dict[int, tuple[TableTrace, bytes]] = {}


class Print:
    """The constant parts of one decision of one version in one language.

    INVARIANT: a row is known by its id and sentence (which holds the figures of the day), a parameter by its name and first
    day, both unique in a book; so they may be keys.
    """

    def __init__(self, policy: str, version: str, decision: Decision, currency: str, language: str) -> None:
        self.head = wire.text(_DECISION, f"{policy}.{decision.name}") + wire.text(_VERSION, version)
        self.currency = currency
        self._language = language
        self._output: dict[str, tuple[bytes, Encoder, Kind]] = {
            o.name: (wire.part(_KEY, o.name.encode()), ENCODERS[o.kind.base], o.kind) for o in decision.outputs
        }
        self._results: dict[int, tuple[object, bytes]] = {}
        self._matched: dict[tuple[str, str], bytes] = {}
        self._rows: dict[tuple[str, str], bytes] = {}
        self._cells: dict[tuple[str, str, str], bytes] = {}
        self._named: dict[str, tuple[bytes, Encoder]] = {}
        self._parameters: dict[tuple[str, object], bytes] = {}
        self._rooms: dict[int, tuple[object, bytes, bytes, Mapping[str, Any], bytes]] = {}
        self._table = trace_pb.TableTrace(
            decision=f"{policy}.{decision.name}", title=decision.title.get(language), hit_policy=hit_policy_words(decision)
        ).SerializeToString()

    def outputs(self, before: bytes, outputs: Mapping[str, Any]) -> bytes:
        """Encode outputs as entries of the map whose tag is `before`."""
        known, currency = self._output, self.currency
        out = b""
        for name, value in outputs.items():
            key, encoder, kind = known[name]
            out += wire.part(before, key + wire.part(_VALUE, NULL if value is None else encoder(value, kind, currency)))
        return out

    def items(self, items: Iterable[Item]) -> bytes:
        """Encode what each selected row gave."""
        return b"".join(
            [
                wire.part(
                    _ITEMS,
                    wire.text(_ITEM_ROW, i.row.id) + wire.number(_ITEM_NUMBER, i.item_number) + self.outputs(_ITEM_OUTPUTS, i.outputs),
                )
                for i in items
            ]
        )

    def result(self, answer: Answer) -> bytes:
        """Encode outcome, outputs, items and rows of an answer."""
        kept = answer.kept
        found = self._results.get(id(kept)) if kept is not None else None
        if found is not None:
            return found[1]
        outputs = self.outputs(_OUTPUTS, answer.outputs) if answer.outputs else b""
        made = b"".join((_OUTCOME[answer.outcome], outputs, self.behind(answer)))
        if kept is not None:
            if len(self._results) >= MAX_RESULTS:
                self._results.clear()
            # The object itself is held, so that no other can come to stand in its place.
            self._results[id(kept)] = (kept, made)
        return made

    def behind(self, answer: Answer) -> bytes:
        """Encode what stands behind the outputs of an answer: items and rows."""
        items = (self.items(answer.items),) if answer.items else ()
        return b"".join((*items, *[self.matched(row) for row in answer.selected]))

    def matched(self, row: Row) -> bytes:
        """Encode a row that gave the answer."""
        says = row.says.get(self._language)
        found = self._matched.get((row.id, says))
        if found is None:
            message = pb.MatchedRule(row_id=row.id, clauses=row.clauses, says=says, reading=row.reading.get(self._language))
            found = self._matched[row.id, says] = wire.part(_MATCHED, message.SerializeToString())
        return found

    def table(self, table: TableTrace, seen: Seen) -> bytes:
        """Encode what a table looked at and what became of its rows.

        Args:
            seen: what was encoded before; gets what this one adds
        """
        named = seen.named
        out = [self._table]
        if table.item_number:
            out.append(wire.number(_TABLE_ITEM, table.item_number))
        for v in table.inputs:
            before = named.get(v.name)
            # Two decisions may give one name to different values of their own.
            if before is None or before[0].value is not v.value or before[0].title is not v.title or before[0].kind is not v.kind:
                before = named[v.name] = (v, self._input(v))
            out.append(before[1])
        out.extend([self._parameter(p) for p in table.parameters])
        found = seen.rows.get(id(table.rows))
        if found is None:
            found = seen.rows[id(table.rows)] = (table.rows, b"".join([self._row(r) for r in table.rows]))
        out.append(found[1])
        if table.outputs:
            known = seen.outputs.get(id(table.outputs))
            if known is None:
                known = seen.outputs[id(table.outputs)] = (table.outputs, self.outputs(_TABLE_OUTPUTS, table.outputs))
            out.append(known[1])
        out.extend([self._room(h) for h in table.headroom])
        return b"".join(out)

    def _room(self, headroom: Headroom) -> bytes:
        (_, kind, _, _, actual), _, _, threshold, included, distance, distance_kind, beyond, kept = headroom
        known = self._rooms.get(id(kept)) if kept is not None else None
        if known is None:
            known = (kept, *self._constant_room(headroom), beyond.outputs, self._beyond(beyond))
            if kept is not None:
                if len(self._rooms) >= MAX_HEADROOM:
                    self._rooms.clear()
                # The object itself is held, so that no other can come to stand in its place.
                self._rooms[id(kept)] = known
        _, constant, named, outputs, outputs_bytes = known
        currency = self.currency
        body = (
            constant,
            wire.part(_QUANTITY, named + wire.part(_NAMED_VALUE, encode(actual, kind, currency))),
            wire.part(_THRESHOLD, encode(threshold, kind, currency)),
            wire.part(_DISTANCE, encode(distance, distance_kind, currency)),
            _INCLUDED if included else b"",
            outputs_bytes if outputs is beyond.outputs else self._beyond(beyond),
        )
        return wire.part(_TABLE_HEADROOM, b"".join(body))

    def _beyond(self, beyond: Beyond) -> bytes:
        return self.outputs(_BEYOND_OUTPUTS, beyond.outputs) if beyond.outputs else b""

    def _constant_room(self, headroom: Headroom) -> tuple[bytes, bytes]:
        beyond, quantity = headroom.beyond, headroom.quantity
        if beyond.refused:
            outcome = trace_pb.HEADROOM_OUTCOME_REFUSED
        else:
            decided = beyond.outcome is Outcome.DECIDED
            outcome = trace_pb.HEADROOM_OUTCOME_DECIDED if decided else trace_pb.HEADROOM_OUTCOME_NO_MATCH
        message = trace_pb.Headroom(
            moved_name=headroom.moved,
            side=trace_pb.HEADROOM_SIDE_BELOW if headroom.side is Side.BELOW else trace_pb.HEADROOM_SIDE_ABOVE,
            row_id=beyond.row.id,
            test_name=beyond.key,
            test=beyond.test,
            beyond_outcome=outcome,
            beyond_row_ids=[r.id for r in beyond.rows],
        )
        named = trace_pb.NamedValue(name=quantity.name, title=quantity.title.get(self._language), unit=quantity.unit.get(self._language))
        return message.SerializeToString(), named.SerializeToString()

    def _input(self, named: NamedValue) -> bytes:
        known = self._named.get(named.name)
        if known is None:
            message = trace_pb.NamedValue(name=named.name, title=named.title.get(self._language), unit=named.unit.get(self._language))
            known = self._named[named.name] = (message.SerializeToString(), ENCODERS[named.kind.base])
        value = named.value
        body = NULL if value is None else known[1](value, named.kind, self.currency)
        return wire.part(_TABLE_INPUTS, known[0] + wire.part(_NAMED_VALUE, body))

    def _parameter(self, used: UsedParameter) -> bytes:
        parameter = used.parameter
        key = (parameter.name, used.since)
        found = self._parameters.get(key)
        if found is None:
            message = trace_pb.ParameterTrace(
                name=parameter.name,
                title=parameter.title.get(self._language),
                unit=parameter.unit.get(self._language),
                effective_from=used.since.isoformat() if used.since else "",
                clauses=parameter.clauses,
                set_by_company=parameter.set_by_company,
            )
            message.value.MergeFromString(encode(used.value, parameter.kind, self.currency))
            found = self._parameters[key] = wire.part(_TABLE_PARAMETERS, message.SerializeToString())
        return found

    def _row(self, traced: RowVerdict) -> bytes:
        row = traced.row
        says = row.says.get(self._language)
        known = self._rows.get((row.id, says))
        if known is None:
            message = trace_pb.RowTrace(
                row_id=row.id,
                clauses=row.clauses,
                says=says,
                position=position_of(row.span),
                is_default=row.is_default,
            )
            known = self._rows[row.id, says] = message.SerializeToString()
        known += _SELECTED if traced.verdict is Verdict.SELECTED else _VERDICTS[traced.verdict]
        if not traced.cells:
            return wire.part(_TABLE_ROWS, known)
        cells = []
        for cell in traced.cells:
            cell_key = (row.id, cell.key, cell.test)
            constant = self._cells.get(cell_key)
            if constant is None:
                constant = self._cells[cell_key] = trace_pb.CellTrace(name=cell.key, test=cell.test).SerializeToString()
            actual = wire.part(_ACTUAL, encode(cell.actual, cell.kind, self.currency))
            cells.append(wire.part(_CELLS, constant + actual + (_PASSED if cell.passed else b"")))
        return wire.part(_TABLE_ROWS, known + b"".join(cells))


@lru_cache(maxsize=256)
def day_bytes(day: date) -> bytes:
    """Encode the day as of which was decided."""
    return wire.text(_AS_OF, day.isoformat())


def hit_policy_words(decision: Decision) -> str:
    """Write a hit policy as it is written in a book: `collect sum`."""
    how = decision.aggregation
    return f"{decision.hit_policy.value} {how.value}" if how else decision.hit_policy.value


class Printer:
    """Encodes answers. Belongs to one event loop; an answer may also be encoded in a thread, since dict operations are atomic."""

    def __init__(self) -> None:
        self._prints: dict[tuple[str, str, str], Print] = {}

    def response(self, answer: Answer, language: str) -> bytes:
        """Encode an answer as a serialized DecideResponse."""
        tail = self.tail(answer, language)
        return b"".join((wire.text(_DECISION_ID, answer.decision_id), wire.text(_REQUEST_ID, answer.request_id), tail))

    def tail(self, answer: Answer, language: str) -> bytes:
        """Encode an answer but for its ids."""
        out = self._untraced(answer, language)
        return out + wire.part(_TRACE, self._trace(answer, answer.tables, language)) if answer.tables else out

    def _untraced(self, answer: Answer, language: str) -> bytes:
        prints = self._print(answer, answer.decision, language)
        return b"".join(
            (prints.head, day_bytes(answer.as_of), wire.part(_DECIDED_AT, stamp_bytes(answer.decided_at)), prints.result(answer))
        )

    def sheet(self, sheet: Sheet, request_ids: Sequence[str], language: str, tags: tuple[bytes, bytes]) -> list[bytes]:
        """Encode the answers of a sheet, row by row; what rows have in common is encoded once. Rows without an answer mean nothing.

        Args:
            tags: of the field that each stands in, and of the one within
        """
        many = sheet.many
        fresh = many.fresh.tolist() if many.fresh is not None else None
        outer, inner = tags
        heads: dict[int, tuple[Print, bytes, bytes]] = {}
        tails: dict[int, bytes] = {}
        frames: dict[tuple[int, int, int, int], tuple[bytes, bytes, bytes]] = {}
        trace = self._tracer(sheet, language) if sheet.tables else None
        out: list[bytes] = []
        for row, (code, decision_id, request_id) in enumerate(zip(many.group.tolist(), sheet.ids, request_ids, strict=True)):
            if fresh is not None and fresh[row]:
                found = heads.get(code)
                if found is None:
                    answer = sheet.answer(row, many.settled[code], "")
                    prints = self._print(answer, answer.decision, language)
                    before = (prints.head, day_bytes(answer.as_of), wire.part(_DECIDED_AT, stamp_bytes(answer.decided_at)))
                    found = heads[code] = (prints, b"".join((*before, _OUTCOME[answer.outcome])), prints.behind(answer))
                prints, head, behind = found
                outputs = prints.outputs(_OUTPUTS, {name: vector.at(row) for name, vector in many.computed.items()})
                ids = wire.text(_DECISION_ID, decision_id) + wire.text(_REQUEST_ID, request_id)
                traced = trace(row) if trace is not None else b""
                out.append(wire.part(outer, wire.part(inner, b"".join((ids, head, outputs, behind, traced)))))
                continue
            own, asked = decision_id.encode(), request_id.encode()
            traced = trace(row) if trace is not None else b""
            key = (code, len(own), len(asked), len(traced))
            frame = frames.get(key)
            if frame is None:
                tail = tails.get(code)
                if tail is None:
                    tail = tails[code] = self._untraced(sheet.answer(row, many.settled[code], ""), language)
                frame = frames[key] = _frame(outer, inner, len(own), len(asked), tail, len(traced))
            start, middle, end = frame
            out.append(b"".join((start, own, middle, asked, end, traced)))
        return out

    def _trace(self, answer: Answer, tables: Sequence[TableTrace], language: str) -> bytes:
        seen = Seen()
        out = [wire.part(_TABLES, self._print(answer, t.decision, language).table(t, seen)) for t in tables]
        out.append(_elapsed(answer.elapsed_ns))
        return b"".join(out)

    def _tracer(self, sheet: Sheet, language: str) -> Callable[[int], bytes]:
        """Return what encodes the trace of a row of a sheet; each table once."""
        seen, elapsed = Seen(), _elapsed(sheet.elapsed_ns)
        prints: dict[str, Print] = {}

        def table_bytes(table: TableTrace, row: int) -> bytes:
            found = seen.tables.get(id(table))
            if found is None:
                own = prints.get(table.decision.name)
                if own is None:
                    answer = sheet.answer(row, sheet.many.settled[0], "")
                    own = prints[table.decision.name] = self._print(answer, table.decision, language)
                found = seen.tables[id(table)] = (table, wire.part(_TABLES, own.table(table, seen)))
            return found[1]

        def trace(row: int) -> bytes:
            tables = sheet.tables[row]
            return wire.part(_TRACE, b"".join([*[table_bytes(t, row) for t in tables], elapsed])) if tables else b""

        return trace

    def _print(self, answer: Answer, decision: Decision, language: str) -> Print:
        key = (answer.version, decision.name, language)
        found = self._prints.get(key)
        if found is None:
            # Old versions of edited books would otherwise stay for ever.
            if len(self._prints) >= MAX_PRINTS:
                self._prints.clear()
            found = self._prints[key] = Print(answer.policy, answer.version, decision, answer.currency, language)
        return found


def _elapsed(ns: int) -> bytes:
    return wire.part(_ELAPSED, Duration(seconds=ns // 1_000_000_000, nanos=ns % 1_000_000_000).SerializeToString())


def _frame(outer: bytes, inner: bytes, own: int, asked: int, tail: bytes, traced: int) -> tuple[bytes, bytes, bytes]:
    """Encode what stands before, between and behind the two ids of an answer.

    Args:
        own, asked, traced: how many bytes the ids have, and the trace that comes last
    """
    start = _DECISION_ID + wire.varint(own) if own else b""
    middle = _REQUEST_ID + wire.varint(asked) if asked else b""
    size = len(start) + own + len(middle) + asked + len(tail) + traced
    within = inner + wire.varint(size)
    return b"".join((outer, wire.varint(len(within) + size), within, start)), middle, tail


class Alike:
    """Encodes answers that were made together: what they have in common is encoded once.

    INVARIANT: answers whose outputs, items, rows and moment are the same objects differ in their ids alone, but for a trace. The first
    of each kind is kept, so that no other object can come to stand where its parts stand.
    """

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._tails: dict[tuple[object, ...], tuple[Answer, bytes]] = {}

    def response(self, answer: Answer, language: str) -> bytes:
        """Encode an answer as a serialized DecideResponse."""
        if answer.tables:
            return self._printer.response(answer, language)
        key = (
            id(answer.outputs),
            id(answer.items),
            id(answer.selected),
            id(answer.decided_at),
            id(answer.decision),
            answer.as_of,
            answer.version,
            language,
        )
        found = self._tails.get(key)
        if found is None:
            found = self._tails[key] = (answer, self._printer.tail(answer, language))
        return b"".join((wire.text(_DECISION_ID, answer.decision_id), wire.text(_REQUEST_ID, answer.request_id), found[1]))
