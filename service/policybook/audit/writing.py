"""Records that are no decisions, as rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from policybook.audit.canonical import clean, instant_text
from policybook.audit.entry import COLUMNS, Kind, Values

_EMPTY = dict.fromkeys(COLUMNS, "") | {"elapsed_ns": 0}


def other_row(kind: Kind, told_of: Mapping[str, object], now: datetime) -> Values:
    """Make the row of a record that is no decision."""
    more = json.dumps(told_of, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    found = {**_EMPTY, "seq": 0, "kind": kind.value, "time": instant_text(now), "more": clean(more), "previous": b""}
    return [*found.values(), b""]
