"""A batch whose requests are decided together: each is answered as it is alone, and a refused one spoils none."""

from __future__ import annotations

import grpc
import pytest

from contract.calls import NULL, Calls, flag, instant, money, number, order, values, word
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import trace_pb2

NONE = trace_pb2.TRACE_LEVEL_NONE

ASKED = (
    *(order(str(n), request_id=f"r{n}", trace_level=NONE) for n in range(0, 400, 7)),
    order("50", trace_level=NONE, language="zh"),
    order("50", trace_level=NONE, language="fr"),
    order("-1", trace_level=NONE),
    order("1/3", trace_level=NONE),
    order("50", "nobody", trace_level=NONE),
    order("50", trace_level=NONE, facts={"customer": NULL}),
    order("50", trace_level=NONE, facts={"customer": flag(True), "more": number("1")}),
    order("50", trace_level=NONE, facts={"customer": instant(10**15)}),
    order("50", trace_level=NONE, facts={"more": values(*[word("x")] * 3)}),
    order("50", trace_level=NONE, as_of_date="2026-02-30"),
    order("50", trace_level=NONE, as_of_date="2019-01-01"),
    order("50", trace_level=NONE, policy_version="0" * 8),
    order("50", trace_level=NONE, policy_version="0" * 500),
    order("50", trace_level=NONE, request_id="r" * 300),
    order("50", trace_level=9),  # type: ignore[arg-type]
    order("50"),
    order("50", trace_level=trace_pb2.TRACE_LEVEL_FULL),
    pb.DecideRequest(decision="shop.order", trace_level=NONE),
    pb.DecideRequest(decision="shop.nothing", facts={"amount": money("1")}, trace_level=NONE),
    pb.DecideRequest(trace_level=NONE),
    *(order("150", "known", trace_level=NONE, as_of_date="2026-01-01") for _ in range(20)),
)


def plain(response: pb.DecideResponse) -> pb.DecideResponse:
    """Take off what no two answers share."""
    made = pb.DecideResponse.FromString(response.SerializeToString())
    made.ClearField("decision_id")
    made.ClearField("decide_time")
    made.trace.ClearField("elapsed")
    return made


@pytest.mark.parametrize("times", [1, 5])
def test_together_as_alone(calls: Calls, times: int) -> None:
    asked = [request for request in ASKED for _ in range(times)]
    results = calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=asked), timeout=60).results
    assert len(results) == len(asked)
    ids = [r.response.decision_id for r in results if r.HasField("response")]
    assert len(set(ids)) == len(ids) > 60
    for request, result in zip(asked, results, strict=True):
        try:
            alone = calls.decisions.Decide(request, timeout=10)
        except grpc.RpcError as e:
            refused = (e.code().value[0], e.details())
        else:
            refused = (0, "")
            assert plain(result.response) == plain(alone)
        assert (result.error.code, result.error.message) == refused
        assert result.HasField("error") == (refused[0] != 0)
