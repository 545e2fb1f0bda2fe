"""The one door to durable-rules: a small set of rules over small whole numbers.

The C module is used directly: no Host, hence no threads and no timers. A Ruleset is not safe for concurrent callers; its
owner holds a lock. Facts in tests/engine_facts pin what this module relies on.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from typing import Any, TypeAlias

import durable_rules_engine as _engine

from policybook.errors import EngineError, LimitError

# LIMIT: events.c, MAX_STACK_SIZE 64. The engine walks a tree whose paths from the root are the rules' conditions in
# order, rules with equal beginnings sharing them. Its stack starts with the root; each step takes one node off and puts
# those of its children on that the fact satisfies. So no node on the stack ever lies above another, the rules that end
# at or below different nodes are different, and each node has at least one. Hence the stack never holds more nodes than
# there are rules, and with at most 24 rules it cannot overflow.
MAX_RULES = 24
# LIMIT: state.h, MAX_OBJECT_PROPERTIES 255; `id`, `sid` and `k` are ours.
MAX_PROPERTIES = 250
MAX_NUMBER = 2**31 - 1

# One property of the fact within inclusive bounds: (property, low, high); None is open.
Bound: TypeAlias = tuple[int, int | None, int | None]
Rule: TypeAlias = tuple[Bound, ...]

_OK, _NOT_HANDLED = 0, 1
_SID = "1"


def fnv(name: str) -> int:
    """Hash as the engine does: it knows a property by this alone (state.c, fnv1Hash32)."""
    h = 0x811C9DC5
    for byte in name.encode():
        h = ((h ^ byte) * 16777619) & 0xFFFFFFFF
    return h


def _check(width: int, rules: Sequence[Rule]) -> None:
    if not 1 <= len(rules) <= MAX_RULES:
        raise LimitError("rules in one ruleset", MAX_RULES, len(rules))
    if width > MAX_PROPERTIES:
        raise LimitError("properties of one fact", MAX_PROPERTIES, width)
    for rule in rules:
        for prop, low, high in rule:
            if not 0 <= prop < width or any(b is not None and not 0 <= b <= MAX_NUMBER for b in (low, high)):
                raise EngineError(f"a rule asks for property {prop} from {low} to {high}")
    names = ["id", "sid", "k", "$s", *(f"p{i}" for i in range(width))]
    if len({fnv(n) for n in names}) != len(names):
        raise EngineError("two properties have one hash")


def _definition(rules: Sequence[Rule]) -> str:
    definition: dict[str, Any] = {}
    for i, rule in enumerate(rules):
        # `k` keeps the engine's own state message, which has no `k`, from matching anything.
        conditions: list[dict[str, Any]] = [{"k": 1}]
        for prop, low, high in rule:
            if low is not None and low == high:
                conditions.append({f"p{prop}": low})
                continue
            if low is not None:
                conditions.append({"$gte": {f"p{prop}": low}})
            if high is not None:
                conditions.append({"$lte": {f"p{prop}": high}})
        definition[f"r{i}"] = {"all": [{"m": {"$and": conditions} if len(conditions) > 1 else conditions[0]}], "pri": i}
    return json.dumps(definition)


class Ruleset:
    """Rules alive in the engine.

    Args:
        name: for the engine's own messages
        width: how many properties a fact has
        rules: in the order in which matches are reported
        sample: a fact that the first rule must match; the ruleset is tried with it at once
    Raises:
        LimitError: beyond what the engine takes, found before it is asked
        EngineError: the engine refused, or does not match the sample
    """

    __slots__ = ("__weakref__", "_finalizer", "_handle", "_template", "size")

    def __init__(self, name: str, width: int, rules: Sequence[Rule], sample: Sequence[int]) -> None:
        _check(width, rules)
        self.size = len(rules)
        # One fixed id, taken back after each match: ids are hashed to 32 bits and would collide.
        properties = "".join(f',"p{i}":%d' for i in range(width))
        self._template = f'{{"id":"1","sid":"{_SID}","k":1{properties}}}'
        try:
            self._handle: int = _engine.create_ruleset(name, _definition(rules))
        except Exception as e:
            raise EngineError(f"the engine refused a ruleset: {e}") from e
        self._finalizer = weakref.finalize(self, _delete, self._handle)
        # At exit the process gives everything back at once.
        self._finalizer.atexit = False
        # The C code frees uninitialised pointers of a state in which no action ever ran (state.c, deleteStateNode):
        # matching the sample runs one, so that the state may be deleted later.
        try:
            found = self.match(sample)
        except EngineError:
            self._finalizer.detach()
            raise
        if not found or found[0] != 0:
            self._finalizer.detach()
            raise EngineError("the engine does not match the first rule of a ruleset")

    def match(self, values: Sequence[int]) -> tuple[int, ...]:
        """Return the rules that a fact satisfies, in order.

        Args:
            values: one a property, from 0 to MAX_NUMBER
        Raises:
            EngineError: an unexpected answer; the ruleset is dirty and must be closed
        """
        fact = self._template % tuple(values)
        handle = self._handle
        try:
            code, state = _engine.assert_fact(handle, fact)
            if code == _NOT_HANDLED:
                return ()
            if code != _OK:
                raise EngineError(f"the engine answered {code} to a fact")
            found: list[int] = []
            started = _engine.start_action_for_state(handle, state)
            message = started[1] if started else None
            while message is not None:
                # {"r7":{"m":{..the fact..}}}
                found.append(int(message[3 : message.index('"', 3)]))
                if len(found) > self.size:
                    raise EngineError("the engine fires more rules than there are")
                message = _engine.complete_and_start_action(handle, state)
            code, _ = _engine.retract_fact(handle, fact)
            if code != _OK:
                raise EngineError(f"the engine answered {code} when a fact was taken back")
        except EngineError:
            raise
        except Exception as e:
            raise EngineError(f"the engine failed: {e}") from e
        if not found:
            raise EngineError("the engine took a fact and fired no rule")
        return tuple(found)

    def close(self) -> None:
        """Give back the engine's memory; the ruleset must not be used again."""
        self._finalizer()


def _delete(handle: int) -> None:
    # The network's memory does not include its states': the state goes first.
    _engine.delete_state(handle, _SID)
    _engine.delete_ruleset(handle)
