"""Test tables in YAML: nodes to drafts."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from policybook.diagnostics import Code, did_you_mean
from policybook.load import keys
from policybook.load.yaml import Mapping, Node, Scalar, Sequence, parse_yaml
from policybook.source import Source
from policybook.trials.draft import Draft, DraftFile, Entries, Faults, head, listed, shape


def yaml_drafts(source: Source, faults: Faults) -> DraftFile | None:
    """Read a file; None when it is no test table at all."""
    return _Reader(source, faults).read()


class _Reader:
    def __init__(self, source: Source, faults: Faults) -> None:
        self.source = source
        self.faults = faults

    def read(self) -> DraftFile | None:
        tree, findings = parse_yaml(self.source)
        for found in findings:
            if found.code is Code.EMPTY:
                self.faults.add(found.span, "the file holds no cases", "begin with `policy: <name>` and `cases:`")
            else:
                self.faults.found.append(found)
        if tree is None:
            return None
        top = self.mapping(tree, "a test table", tuple(keys.TEST_TABLE))
        if top is None:
            return None
        policy, decision, as_of = (self.scalar(top.get(k), k) for k in ("policy", "decision", "as_of"))
        given, cases = top.get("given"), top.get("cases")
        made = DraftFile(policy, decision, as_of, self.entries(given, "given") if given else [])
        if policy is None and top.get("policy") is None:
            self.faults.add(head(top.span), "the key `policy` is missing", "name the book: `policy: credit`")
        if cases is None:
            self.faults.add(
                head(top.span), "the key `cases` is missing", "list the cases under `cases:`, each with `id`, `given` and `expect`"
            )
        for node in self.sequence(cases, "cases") if cases else ():
            case = self.mapping(node, "a case", tuple(keys.CASE))
            if case is not None:
                made.cases.append(self.case(case))
        return made

    def case(self, case: Mapping) -> Draft:
        draft = Draft(span=head(case.span))
        for key, value in case.entries:
            match key.text:
                case "id":
                    draft.id = self.scalar(value, "id")
                case "decision":
                    draft.decision = self.scalar(value, "decision")
                case "as_of":
                    draft.as_of = self.scalar(value, "as_of")
                case "given":
                    draft.given = self.entries(value, "given")
                case "expect":
                    draft.expect = self.entries(value, "expect")
                case "expect_items":
                    draft.items = [self.entries(i, "an item") for i in self.sequence(value, "expect_items")]
                case "rows":
                    draft.rows = self.words(value, "rows")
                case "not_rows":
                    draft.not_rows = self.words(value, "not_rows")
                case "expect_status":
                    draft.status = self.scalar(value, "expect_status")
                case "expect_error":
                    draft.error = self.scalar(value, "expect_error")
                case "review":
                    draft.review = self.scalar(value, "review")
                case "note":
                    # A remark may have any shape: nothing hangs on it.
                    draft.note = value if isinstance(value, Scalar) else None
        return draft

    # -- shapes --------------------------------------------------------------------------------------------------

    def mapping(self, node: Node, what: str, known: Collection[str]) -> Mapping | None:
        if not isinstance(node, Mapping):
            self.faults.add(
                head(node.span), f"{what} is written as keys and values, this is {shape(node)}", f"allowed keys: {listed(known)}"
            )
            return None
        for key, _ in node.entries:
            if key.text not in known:
                self.faults.add(key.span, f"unknown key `{key.text}` in {what}", did_you_mean(key.text, known))
        return node

    def entries(self, node: Node, what: str) -> Entries:
        return entries(node, what, self.faults)

    def sequence(self, node: Node, what: str) -> Iterable[Node]:
        if isinstance(node, Sequence):
            return node.items
        self.faults.add(
            head(node.span), f"`{what}` is a list, this is {shape(node)}", f"write `{what}: [..]`, or one line each beginning with `- `"
        )
        return ()

    def words(self, node: Node, what: str) -> list[Scalar]:
        return [word for item in self.sequence(node, what) if (word := self.scalar(item, what)) is not None]

    def scalar(self, node: Node | None, what: str) -> Scalar | None:
        if node is None or isinstance(node, Scalar):
            return node
        self.faults.add(head(node.span), f"`{what}` is one word or value, this is {shape(node)}")
        return None


def entries(node: Node, what: str, faults: Faults) -> Entries:
    """Return names with their values; nothing is no name."""
    if isinstance(node, Mapping):
        return list(node.entries)
    if not (isinstance(node, Scalar) and node.plain and node.text in ("", "null")):
        faults.add(
            node.span,
            f"{what} is written as names and values, this is {shape(node)}",
            f"write `{what.rsplit(maxsplit=1)[-1]}: {{name: value}}`",
        )
    return []
