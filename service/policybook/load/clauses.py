"""`clauses.yaml` beside the books, and `clauses.lock`: the texts that the rows were last read against."""

from __future__ import annotations

import re

from policybook.diagnostics import Code, Report, did_you_mean
from policybook.load import keys
from policybook.load.keys import Key
from policybook.load.read import Reader
from policybook.load.yaml import Node, Scalar, Sequence, parse_yaml
from policybook.model.clauses import KINDS, Clause, ClauseIndex, Repair
from policybook.model.kinds import NO_TEXT, Text
from policybook.source import Source

CLAUSE_FILE = "clauses.yaml"
LOCK_FILE = "clauses.lock"

CLAUSE_ID = re.compile(r"[0-9]{1,3}(\.[0-9A-Za-z]{1,6})*\Z")
_LOCK_LINE = re.compile(r"(\S+) ([0-9a-f]{16})\Z")

INDEX = {"clauses": Key("the clauses, in the order of the documents", "clauses", required=True)}
CLAUSE = {
    "id": Key("the document's number, then the clause's own", keys.WORD, required=True),
    "document": Key("number of the document", keys.COUNT, required=True),
    "kind": Key(", ".join(KINDS), keys.WORD, required=True),
    "text": Key("the Chinese text", keys.WORD, required=True),
    "en": Key("an English rendering", keys.WORD, required=True),
    "lines": Key("lines of the source: [7, 8] or 7-12", keys.WORDS, required=True),
    "repaired": Key("[{damaged, restored}]", "repairs"),
    "unclear": Key("what is ambiguous", keys.TEXT),
    "needs_no_row": Key("why no table implements it", keys.TEXT),
}
REPAIR = {"damaged": Key("what the source holds", keys.WORD, required=True), "restored": Key("what it was read as", keys.WORD)}


def load_clauses(source: Source, lock: str = "") -> tuple[ClauseIndex | None, Report]:
    """Read an index of clauses.

    Args:
        lock: the text of `clauses.lock`: a line `id digest` for each clause
    Returns:
        the index (None exactly when there are findings) and all findings
    """
    tree, findings = parse_yaml(source)
    if tree is None:
        return None, Report.of(findings)
    reader = Reader(source, list(findings))
    listed = reader.fields(tree, INDEX, "an index of clauses").get("clauses")
    clauses: dict[str, Clause] = {}
    if listed is not None and not isinstance(listed, Sequence):
        reader.fault(Code.WRONG_SHAPE, "`clauses` must be a list", listed.span)
    for node in listed.items if isinstance(listed, Sequence) else ():
        clause = _clause(reader, node)
        if clause is None:
            continue
        if clause.id in clauses:
            reader.fault(Code.DUPLICATE_NAME, f"the clause `{clause.id}` stands twice", clause.span)
        clauses[clause.id] = clause
    report = Report.of(reader.findings)
    reviewed = {m.group(1): m.group(2) for m in map(_LOCK_LINE.match, lock.splitlines()) if m}
    return (ClauseIndex(tuple(clauses.values()), reviewed) if report.ok else None), report


def lock_text(index: ClauseIndex) -> str:
    """Write `clauses.lock` for the present texts."""
    head = "# The clauses' texts that the rows were last read against; `policybook clauses --accept` writes it.\n"
    return head + "".join(f"{c.id} {c.digest}\n" for c in index.clauses)


def _clause(reader: Reader, node: Node) -> Clause | None:
    found = reader.fields(node, CLAUSE, "a clause")
    words = {k: reader.word(found.get(k), k) for k in ("id", "kind", "text", "en")}
    document = reader.count(found.get("document"), "document", 999)
    clause_id, kind, text, english = words["id"], words["kind"], words["text"], words["en"]
    if clause_id is None or kind is None or text is None or english is None or document is None:
        return None
    if not CLAUSE_ID.match(clause_id.text):
        reader.fault(Code.BAD_NAME, f"`{clause_id.text[:40]}` is not a clause number", clause_id.span, "such as `12.2.1`")
    elif clause_id.text.split(".")[0] != str(document):
        reader.fault(Code.BAD_VALUE, f"the clause `{clause_id.text}` is not of document {document}", clause_id.span)
    if kind.text not in KINDS:
        reader.fault(Code.BAD_VALUE, f"there is no kind `{kind.text[:40]}`", kind.span, did_you_mean(kind.text, KINDS))
    return Clause(
        id=clause_id.text,
        document=document,
        kind=kind.text,
        text=Text(english.text, text.text),
        lines=_lines(reader, found.get("lines")),
        repairs=_repairs(reader, found.get("repaired")),
        unclear=_text(reader, found.get("unclear"), "unclear"),
        needs_no_row=_text(reader, found.get("needs_no_row"), "needs_no_row"),
        span=clause_id.span,
    )


def _text(reader: Reader, node: Node | None, what: str) -> Text:
    draft = reader.text(node, what)
    return Text(draft.en, draft.zh) if draft else NO_TEXT


def _lines(reader: Reader, node: Node | None) -> tuple[int, ...]:
    out: list[int] = []
    for word in reader.words_list(node, "lines"):
        first, _, last = word.text.partition("-")
        if not (first.isdigit() and (not last or last.isdigit())):
            reader.fault(Code.BAD_VALUE, f"`{word.text[:40]}` is not a line number", word.span, "`[7, 8]` or `7-12`")
            continue
        out.extend(range(int(first), int(last or first) + 1))
    return tuple(out)


def _repairs(reader: Reader, node: Node | None) -> tuple[Repair, ...]:
    if node is None:
        return ()
    out = []
    for item in node.items if isinstance(node, Sequence) else ():
        found = reader.fields(item, REPAIR, "a repair")
        damaged, restored = found.get("damaged"), found.get("restored")
        if isinstance(damaged, Scalar) and isinstance(restored, Scalar):
            out.append(Repair(damaged.text, restored.text))
    return tuple(out)
