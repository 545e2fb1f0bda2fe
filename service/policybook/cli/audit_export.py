"""Records of the decision log for other programs: CSV, JSON Lines, Parquet. Each is written as it is read, whatever the size."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from policybook.audit.canonical import raw_of
from policybook.audit.entry import Record
from policybook.cli.audit_show import raw_text, record_json
from policybook.cli.exits import FaultError

FORMS = ("csv", "jsonl", "parquet")
HEAD = (
    "seq",
    "decision_id",
    "time",
    "caller",
    "purpose",
    "decision",
    "request_id",
    "version",
    "version_stated",
    "as_of",
    "as_of_stated",
    "now",
    "trace",
    "outcome",
    "rows",
    "elapsed_ns",
    "hash",
)
WHOLE = ("facts", "outputs", "items")
_CHUNK = 10_000


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    # Other people's facts: for their owner alone.
    output.touch(mode=0o600)
    with output.open("w", encoding="utf-8", newline="") as file:
        yield file


def write_json_lines(records: Iterable[Record], output: Path | None) -> int:
    """Write one JSON object a line; return how many."""
    count = 0
    with _opened(output) as file:
        for record in records:
            file.write(json.dumps(record_json(record), ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    return count


def write_csv(records: Iterable[Record], output: Path | None, *, flat: bool) -> int:
    """Write CSV with a line of names; return how many.

    Args:
        flat: a column for each fact and output, named by the first 10,000 records; what comes new after them is in `more`
    """
    rows, names = _rows(records, flat=flat)
    count = 0
    with _opened(output) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for row in rows:
            writer.writerow([row.get(n, "") for n in names])
            count += 1
    return count


def write_parquet(records: Iterable[Record], output: Path, *, flat: bool) -> int:
    """Write Parquet, text columns alone but for the two numbers; return how many.

    Raises:
        FaultError: pyarrow is not installed
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise FaultError(
            "Parquet needs pyarrow, which is not installed: `pip install 'policybook[parquet]'`; CSV and JSON Lines do without"
        ) from None
    rows, names = _rows(records, flat=flat)
    schema = pa.schema([(n, pa.int64() if n in ("seq", "elapsed_ns") else pa.string()) for n in names])
    count = 0
    output.touch(mode=0o600)
    with pq.ParquetWriter(output, schema, compression="zstd") as writer:
        while chunk := list(islice(rows, _CHUNK)):
            columns = [[row.get(n) for row in chunk] for n in names]
            writer.write_table(pa.table([pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)], schema=schema))
            count += len(chunk)
    return count


def _rows(records: Iterable[Record], *, flat: bool) -> tuple[Iterator[dict[str, Any]], Sequence[str]]:
    source = iter(records)
    if not flat:
        return (_whole(r) for r in source), (*HEAD, *WHOLE)
    first = [_flat(r) for r in islice(source, _CHUNK)]
    found = {n for row in first for n in row if n not in HEAD}
    names = (
        *HEAD,
        *sorted(n for n in found if n.startswith("facts.")),
        *sorted(n for n in found if n.startswith("outputs.")),
        "items",
        "more",
    )

    def rest() -> Iterator[dict[str, Any]]:
        known = frozenset(names)
        yield from first
        for record in source:
            row = _flat(record)
            new = {n: row.pop(n) for n in [*row] if n not in known}
            yield row | ({"more": json.dumps(new, ensure_ascii=False, sort_keys=True)} if new else {})

    return rest(), names


def _head(record: Record) -> dict[str, Any]:
    return {n: getattr(record, n) for n in HEAD} | {"rows": " ".join(record.row_ids), "hash": record.hash.hex()}


def _whole(record: Record) -> dict[str, Any]:
    return _head(record) | {n: getattr(record, n) for n in WHOLE}


def _flat(record: Record) -> dict[str, Any]:
    facts, masked = record.stated
    row = _head(record)
    row |= {f"facts.{n}": raw_text(v) for n, v in facts.items()}
    row |= {f"facts.{n}": f"masked {token}".strip() for n, token in masked.items()}
    row |= {f"outputs.{n}": raw_text(raw_of(v)) for n, v in json.loads(record.outputs).items()}
    return row if record.items == "[]" else row | {"items": record.items}
