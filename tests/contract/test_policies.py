"""PolicyService: what is served, and the check of a text."""

from __future__ import annotations

import time

import grpc
import pytest

from contract.calls import BOOKS, Calls, Process, money, number, order, refused, word
from policybook.v1 import policy_service_pb2 as pb


def definition(calls: Calls, name: str, **rest: str) -> pb.DecisionDefinition:
    request = pb.GetDecisionDefinitionRequest(name=name, **rest)
    return calls.policies.GetDecisionDefinition(request, timeout=30).decision_definition


def test_policies(calls: Calls) -> None:
    got = calls.policies.ListPolicies(pb.ListPoliciesRequest(language="zh"), timeout=30)
    assert [(p.name, p.title, p.currency, p.time_zone) for p in got.policies] == [
        ("kinds", "值的类型", "CNY", "Asia/Shanghai"),
        ("shop", "小店", "CNY", "Asia/Shanghai"),
    ]
    shop = got.policies[1]
    assert shop.version == calls.decide(order()).policy_version
    assert "shop.order" in shop.decisions
    assert abs(shop.load_time.ToSeconds() - time.time()) < 3600
    assert got.next_page_token == ""


def test_pages(calls: Calls) -> None:
    first = calls.policies.ListPolicies(pb.ListPoliciesRequest(page_size=1), timeout=30)
    assert [p.name for p in first.policies] == ["kinds"]
    second = calls.policies.ListPolicies(pb.ListPoliciesRequest(page_size=1, page_token=first.next_page_token), timeout=30)
    assert ([p.name for p in second.policies], second.next_page_token) == (["shop"], "")
    whole = calls.policies.ListDecisionDefinitions(pb.ListDecisionDefinitionsRequest(), timeout=30)
    names, token = [], ""
    while True:
        request = pb.ListDecisionDefinitionsRequest(page_size=2, page_token=token)
        page = calls.policies.ListDecisionDefinitions(request, timeout=30)
        names += [d.name for d in page.decision_definitions]
        token = page.next_page_token
        if not token:
            break
    assert names == [d.name for d in whole.decision_definitions] == sorted(names)
    assert len(names) == 7


def test_decisions_of_one_policy_come_without_rows(calls: Calls) -> None:
    got = calls.policies.ListDecisionDefinitions(pb.ListDecisionDefinitionsRequest(policy="shop"), timeout=30)
    assert all(d.name.startswith("shop.") and not d.rows for d in got.decision_definitions)
    assert {d.name: d.hit_policy for d in got.decision_definitions}["shop.greeting"] == pb.HIT_POLICY_UNIQUE


def test_a_definition_is_enough_to_build_a_form(calls: Calls) -> None:
    got = definition(calls, "kinds.echo", language="zh")
    assert (got.title, got.question, got.hit_policy) == ("原样返回", "发来了什么?", pb.HIT_POLICY_FIRST)
    inputs = {i.name: i for i in got.inputs}
    assert [i.kind for i in got.inputs] == [*range(1, 15), 14]
    assert (inputs["integer"].min, inputs["integer"].max, inputs["integer"].default_value) == (number("-10"), number("10"), number("0"))
    assert (inputs["money"].currency, inputs["money"].min) == ("CNY", money("0.00", "CNY"))
    assert [(v.value, v.title) for v in inputs["enum"].enum_values] == [("red", "红"), ("green", "绿"), ("blue", "蓝")]
    assert inputs["colours"].element.kind == pb.VALUE_KIND_ENUM
    element = inputs["payments"].element
    assert [(f.name, f.kind, f.required, f.currency) for f in element.fields] == [
        ("amount", pb.VALUE_KIND_MONEY, True, "CNY"),
        ("paid_on", pb.VALUE_KIND_DATE, True, ""),
        ("note", pb.VALUE_KIND_TEXT, False, ""),
    ]
    assert not inputs["text"].required
    assert not inputs["text"].HasField("default_value")


def test_a_definition_shows_the_table(calls: Calls) -> None:
    got = definition(calls, "shop.order", as_of_date="2025-06-01")
    assert [(r.row_id, r.is_default) for r in got.rows] == [("barred", False), ("within-cap", False), ("signed", False), ("ask", True)]
    signed = got.rows[2]
    assert [(t.name, t.test) for t in signed.tests] == [("signed", "true"), ("customer", "known")]
    assert dict(signed.outputs) == {"outcome": "ship", "fee": "5"}
    assert list(signed.clauses) == ["2.3", "2.4"]
    assert signed.reading == "A signature counts for known customers only."
    assert {p.name: (p.value, p.effective_from, p.set_by_company) for p in got.parameters} == {
        "cap": (money("100.00", "CNY"), "2025-01-01", False),
        "share": (number("1/3"), "", True),
    }
    inputs = {i.name: i for i in got.inputs}
    assert inputs["amount"].required
    assert not inputs["signed"].required
    assert [v.value for v in inputs["customer"].enum_values] == ["new", "known", "barred"]


def test_a_definition_has_its_units_in_the_language_of_the_request(calls: Calls) -> None:
    for language, cap, hours in (("en", "CNY an order", "hours"), ("zh", "元/单", "小时")):
        assert [p.unit for p in definition(calls, "shop.order", language=language).parameters] == [cap, ""]
        assert {i.name: i.unit for i in definition(calls, "shop.rate", language=language).inputs} == {"amount": "", "hours": hours}


def test_a_definition_counts_what_required_decisions_need(calls: Calls) -> None:
    got = definition(calls, "shop.total")
    assert {i.name for i in got.inputs} == {"amount", "customer", "signed", "late_days"}
    assert set(got.required_decisions) == {"shop.order", "shop.fine"}
    fine = definition(calls, "shop.fine")
    assert (fine.hit_policy, fine.aggregation) == (pb.HIT_POLICY_COLLECT, pb.AGGREGATION_SUM)
    assert "late_days" in fine.for_each


@pytest.mark.parametrize("name", ["", "shop", "shop.", ".order", "x" * 100_000])
def test_a_malformed_name(calls: Calls, name: str) -> None:
    got = refused(calls.policies.GetDecisionDefinition, pb.GetDecisionDefinitionRequest(name=name))
    assert (got.code, list(got.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, ["name"])


def test_unknown_definitions(calls: Calls) -> None:
    got = refused(calls.policies.GetDecisionDefinition, pb.GetDecisionDefinitionRequest(name="shop.odrer"))
    assert (got.reason, got.metadata["nearest"].split(",")[0]) == ("DECISION_NOT_FOUND", "shop.order")
    request = pb.GetDecisionDefinitionRequest(name="shop.order", policy_version="0" * 64)
    assert refused(calls.policies.GetDecisionDefinition, request).reason == "VERSION_NOT_FOUND"
    request = pb.GetDecisionDefinitionRequest(name="shop.order", as_of_date="soon")
    assert list(refused(calls.policies.GetDecisionDefinition, request).fields) == ["as_of_date"]


# ---------------------------------------------------------------- check


def check(calls: Calls, source: str, **rest: str | bool) -> pb.CheckResponse:
    return calls.policies.Check(pb.CheckRequest(source=source, **rest), timeout=60)


def test_a_sound_book_has_the_version_it_would_be_served_under(calls: Calls) -> None:
    source = (BOOKS / "shop.yaml").read_text(encoding="utf-8")
    # Without the two tables whose rows conflict on purpose.
    cut = source[: source.index("  greeting:\n")] + source[source.index("  fine:\n") :]
    got = check(calls, cut)
    assert (got.ok, [f.name for f in got.findings]) == (True, ["gap"])
    assert len(got.version) == len(calls.decide(order()).policy_version)


def test_a_figure_is_held_against_the_book_in_service(calls: Calls) -> None:
    """`same_as` names a figure of another book: the one that is served."""
    source = (BOOKS / "kinds.yaml").read_text(encoding="utf-8")
    for value, told in ((10, []), (11, ["`daily` is 11 CNY; `shop.daily_fine`, which it must equal, is 10 CNY"])):
        figure = f"parameters:\n  daily: {{type: money, value: {value}, set_by: company, same_as: shop.daily_fine}}\n"
        got = check(calls, source.replace("inputs:\n", f"{figure}inputs:\n", 1))
        assert [f.message for f in got.findings if f.name == "figures-differ"] == told


def test_what_the_tables_do_is_found_too(calls: Calls) -> None:
    got = check(calls, (BOOKS / "shop.yaml").read_text(encoding="utf-8"), file_name="shop.yaml")
    assert (got.ok, got.version) == (False, "")
    gap = next(f for f in got.findings if f.name == "gap" and f.decision == "greeting")
    assert gap.region == "Amount below 500.00 CNY; Customer: new or barred"
    assert gap.example == '{"amount": 0, "customer": "new"} as of 2024-12-31'
    assert gap.proposed_row.startswith('- {id: greeting-to-name, set_by: company, when: {amount: "< 500"')
    clash = next(f for f in got.findings if f.name == "conflict" and f.decision == "label")
    assert (list(clash.row_ids), clash.severity) == (["red", "blue"], pb.SEVERITY_ERROR)
    assert not [f for f in got.findings if f.severity == pb.SEVERITY_NOTE]
    noted = check(calls, (BOOKS / "shop.yaml").read_text(encoding="utf-8"), include_notes=True)
    assert "overlap" in {f.name for f in noted.findings}


def test_all_findings_with_their_places(calls: Calls) -> None:
    source = (BOOKS / "shop.yaml").read_text(encoding="utf-8")
    broken = source.replace("hit_policy: unique", "hit_policy: uniqe").replace("<= cap}", "<= capp}")
    got = check(calls, broken, file_name="mine.yaml")
    assert not got.ok
    assert got.version == ""
    lines = broken.splitlines()
    places = {(f.name, lines[f.line - 1][f.column - 1 : f.end_column - 1]) for f in got.findings if f.severity == pb.SEVERITY_ERROR}
    assert ("unknown-name", "capp") in places
    assert any(text == "uniqe" for _, text in places)
    assert {f.file for f in got.findings} == {"mine.yaml"}
    assert all(f.code.startswith("PB") for f in got.findings)
    # Nothing was stored.
    assert calls.decide(order()).outputs["outcome"] == word("ship")


@pytest.mark.parametrize(
    "source",
    [
        "",
        "\t",
        "a: 1\na: 2\n",
        "- 1\n",
        "{" * 10_000,
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "\x00",
        "policy: x\n" * 50_000,
        "x" * 1_000_000,
    ],
)
def test_hostile_texts_are_findings(calls: Calls, source: str) -> None:
    got = check(calls, source)
    assert not got.ok
    assert got.findings


def test_a_text_that_is_too_long(calls: Calls) -> None:
    got = refused(calls.policies.Check, pb.CheckRequest(source="#" * (1024 * 1024 + 1)))
    assert (got.code, got.reason, got.kinds) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE", ("ErrorInfo", "QuotaFailure"))
    got = refused(calls.policies.Check, pb.CheckRequest(file_name="f" * 201))
    assert list(got.fields) == ["file_name"]


def test_a_long_check_does_not_hold_up_decisions(calls: Calls, server: Process) -> None:
    rows = "\n".join(f"      - {{id: r{i}, clause: 1.1, when: {{a: '[{i}..{i + 1})'}}, then: {{b: {i}}}}}" for i in range(2_000))
    head = "policy: big\ntitle: {en: B, zh: B}\ninputs:\n  a: {type: number}\ndecisions:\n  d:\n    title: {en: D, zh: D}\n    hit_policy: unique\n"
    source = f"{head}    outputs: {{b: {{type: number}}}}\n    rules:\n{rows}\n"
    pending = calls.policies.Check.future(pb.CheckRequest(source=source), timeout=100)
    waits = []
    while not pending.done():
        started = time.perf_counter()
        calls.decide(order())
        waits.append(time.perf_counter() - started)
    assert pending.result().ok
    assert len(waits) > 3
    assert sorted(waits)[len(waits) // 2] < 0.5
