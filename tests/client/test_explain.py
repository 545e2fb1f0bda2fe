"""`explain` of both clients against the real service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from contract.calls import ROOT, Process
from policybook.cli.main import cli
from policybook_client import (
    HeadroomOutcome,
    HeadroomSide,
    InvalidFactsError,
    InvalidRequestError,
    Money,
    OutcomeKind,
    PolicybookClient,
    Relevance,
)

DAY = date(2026, 3, 31)
FACTS: dict[str, Any] = {
    "customer_file_complete": True,
    "identity_copy_on_file": True,
    "contract_kind": "distribution",
    "settlement_agreement_included": True,
    "last_year_balance": Money("0"),
    "payments": [{"amount": Money("9000"), "paid_on": date(2026, 3, 20)}],
    "outstanding": Money("8000"),
    "shipment_amount": Money("2500"),
    "signed_by": ["regional_manager"],
}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process = Process(ROOT / "rules", "--port", "0", "--reload-s", "0", log=Path(tmp_path_factory.mktemp("served")) / "log").started()
    yield f"127.0.0.1:{process.port}"
    assert process.end() == 0, process.errors()


def test_why_and_why_not(target: str, either: Any) -> None:
    with either(target) as asker:
        found = asker.explain(
            "credit.shipment", FACTS, want={"outcome": "ship"}, keep=["oldest_unpaid_invoice"], as_of=DAY, request_id="r-7"
        )
    assert (found.decision, found.as_of, found.request_id) == ("credit.shipment", DAY, "r-7")
    assert found.answer["outcome"] == "ship_over_limit"
    assert [r.row_id for r in found.reasons][-1] == "first-over-limit"
    ways = {frozenset(c.input for c in a.changes): a for a in found.why_not.alternatives}
    assert set(ways) == {frozenset({"outstanding"}), frozenset({"shipment_amount"}), frozenset({"payments"})}
    (less,) = ways[frozenset({"shipment_amount"})].changes
    assert (less.before, less.after, less.difference) == (Money("2500.00", "CNY"), Money("1000.00", "CNY"), Money("-1500.00", "CNY"))
    (more,) = ways[frozenset({"payments"})].changes
    assert [dict(r) for r in more.added] == [{"amount": Money("1500.00", "CNY"), "paid_on": date(2026, 3, 30)}]
    assert all(a.fewest_proved and a.least_proved and a.outcome.outputs["outcome"] == "ship" for a in ways.values())
    assert found.why_not.proved_inputs == found.why_not.searched_inputs == 3
    assert "oldest_unpaid_invoice" not in found.why_not.changeable_inputs
    assert found.completion is None
    assert "With Amount of this shipment 1,500.00 CNY less (1,000.00 CNY)" in str(found)


def test_what_if(target: str, either: Any) -> None:
    with either(target) as asker:
        found = asker.explain("credit.shipment", FACTS, vary=["shipment_amount", "signed_by"], max_alternatives=0, as_of=DAY)
    assert found.why_not is None
    amount = found.variations["shipment_amount"]
    assert amount.proved
    assert [(p.first, p.last, p.outcome.row_ids) for p in amount.pieces] == [
        (Money("0.00", "CNY"), Money("1000.00", "CNY"), ("within-limit",)),
        (Money("1000.01", "CNY"), Money("2999.99", "CNY"), ("first-over-limit",)),
        (Money("3000.00", "CNY"), None, ("cap-reached",)),
    ]
    assert [p.is_actual for p in amount.pieces] == [False, True, False]
    assert [t.test for t in amount.pieces[2].turning_tests] == ["< cap"]
    signatures = found.variations["signed_by"]
    assert [p.removed for p in signatures.pieces if p.removed] == ["regional_manager"]


def test_what_is_missing(target: str, either: Any) -> None:
    known = {"customer_file_complete": False, "shipment_amount": Money("100"), "collection_plan_made": False}
    with either(target) as asker:
        open_ = asker.explain("credit.shipment", {k: known[k] for k in ("customer_file_complete",)}, compare=["outcome"], as_of=DAY)
        settled = asker.explain("credit.shipment", known, compare=["outcome"], as_of=DAY)
    assert open_.answer is None
    assert open_.completion is not None
    assert not open_.completion.settled
    assert open_.completion.needed == ("shipment_amount", "prepaid_amount", "collection_plan_made")
    by_name = {u.input: u for u in open_.completion.unstated}
    assert by_name["contract_kind"].relevance is Relevance.IRRELEVANT
    assert by_name["shipment_amount"].example is not None
    assert (by_name["shipment_amount"].required, by_name["prepaid_amount"].default) == (True, Money("0.00", "CNY"))
    assert settled.completion is not None
    assert settled.completion.settled_outcome is not None
    assert settled.completion.settled_outcome.kind is OutcomeKind.DECIDED
    assert settled.completion.settled_outcome.outputs["outcome"] == "refuse"


def test_headroom_comes_with_every_trace(target: str, either: Any) -> None:
    with either(target) as asker:
        decision = asker.decide("credit.shipment", FACTS, as_of=DAY)
    room = {h.quantity.name: h for t in decision.trace.tables for h in t.headroom if t.decision == "credit.shipment"}
    cap = room["shipment_amount"]
    assert (cap.side, cap.threshold, cap.distance) == (HeadroomSide.BELOW, Money("3000.00", "CNY"), Money("500.00", "CNY"))
    assert (cap.test, cap.threshold_included, cap.moved) == ("< cap", False, "shipment_amount")
    assert (cap.beyond_outcome, cap.beyond_row_ids) == (HeadroomOutcome.DECIDED, ("cap-reached",))
    assert cap.beyond_outputs["outcome"] == "refuse"
    paid = next(h for t in decision.trace.tables for h in t.headroom if h.quantity.name == "payment.paid_on")
    assert paid.distance == timedelta(days=11)


def test_what_cannot_be_asked(target: str, either: Any) -> None:
    with either(target) as asker:
        with pytest.raises(TypeError, match=r"keep: a list of names, not a str: write `\['a'\]`"):
            asker.explain("credit.shipment", FACTS, keep="a")
        with pytest.raises(ValueError, match="max_alternatives: 0 for none, or more, not -3"):
            asker.explain("credit.shipment", FACTS, max_alternatives=-3)
        with pytest.raises(InvalidRequestError, match="`amount` is not an input"):
            asker.explain("credit.shipment", FACTS, vary=["amount"])
        with pytest.raises(InvalidFactsError, match="contract_kind"):
            asker.explain("credit.shipment", FACTS | {"contract_kind": "barter"})


def test_titles_in_chinese(target: str) -> None:
    with PolicybookClient(target, language="zh") as asker:
        found = asker.explain("credit.shipment", FACTS, want={"outcome": "ship"}, as_of=DAY)
    assert found.why_not
    assert any("本次发货额减少 1,500.00 CNY（为 1,000.00 CNY）" in a.sentence for a in found.why_not.alternatives)


@pytest.mark.parametrize("options", [
    ("--want", "outcome=ship", "--vary", "shipment_amount", "--vary", "signed_by"),
    ("--compare", "missing", "--keep", "payments", "--alternatives", "2"),
])  # fmt: skip
def test_the_command_line_shows_the_same_of_a_service_as_in_process(target: str, options: tuple[str, ...]) -> None:
    asked = ["explain", "credit.shipment", "--facts", str(ROOT / "examples/facts/order.json"), "--as-of", "2026-03-31", *options]
    shown = {}
    for where in (("--books", str(ROOT / "rules")), ("--server", target)):
        for form in (("--format", "json"), ("--lang", "both")):
            result = CliRunner().invoke(cli, [*asked, *where, *form], env={"COLUMNS": "120"})
            assert result.exit_code == 0, result.output
            shown[where[0], form[0]] = result.output
    here, there = (json.loads(shown[where, "--format"]) for where in ("--books", "--server"))
    # The answer itself is what `decide` shows.
    assert here.pop("answer")["outputs"] == there.pop("answer")["outputs"]
    assert here == there
    texts = [re.sub(r"\d+\.\d\d ms ─*", "", shown[where, "--lang"]) for where in ("--books", "--server")]
    assert texts[0] == texts[1]


def test_the_command_line_asks_a_service_what_is_missing(target: str) -> None:
    asked = ["explain", "credit.shipment", "customer_file_complete=false", "--compare", "outcome", "--as-of", "2026-03-31"]
    texts = [
        CliRunner().invoke(cli, [*asked, *where, "--lang", "zh"], env={"COLUMNS": "120"}).output
        for where in (("--books", str(ROOT / "rules")), ("--server", target))
    ]
    assert texts[0] == texts[1]
    assert "仍需依次填写：本次发货额、本次发货已收现金或汇款、客户已制定货款回笼计划。" in texts[0]
    refused = CliRunner().invoke(cli, ["explain", "credit.shipment", "--vary", "nothing", "--server", target])
    assert refused.exit_code == 1
    assert "`nothing` is not an input of `credit.shipment`" in refused.output
