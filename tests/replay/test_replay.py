"""The past decided again: what the report says is what deciding one by one comes to."""

from __future__ import annotations

import csv
import itertools
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.keeping import BODY, NOON, Clock, book
from books_in_text import HEAD, raw
from policybook import Answer, Desk, Request, Store, TraceLevel
from policybook.audit.entry import Purpose
from policybook.audit.masking import Masks
from policybook.audit.open import open_log
from policybook.audit.settings import LogSettings
from policybook.audit.writer import WrittenLog
from policybook.cells.coerce import coerce_value
from policybook.check.book import check_source
from policybook.cli.audit_show import raw_text
from policybook.cli.facts import value_of
from policybook.cli.main import cli
from policybook.cli.replay import _percent
from policybook.model.facts import Raw, Tag
from policybook.model.kinds import Base, Field, Kind
from policybook.source import Source
from policybook.store.reload import make_edition

HERE = Path(__file__).resolve().parent
Golden = Callable[[Path, str], None]
BEFORE = HEAD + BODY.format(cap=100)
# Another cap, dearer from a day on; a decision less, an input more.
AFTER = BEFORE.replace(
    "{cap: {type: money, value: 100, set_by: company}}",
    "{cap: {type: money, set_by: company, values: [{from: 2020-01-01, value: 60}, {from: 2026-04-01, value: 90}, {from: 2026-06-01, value: 5}]}}",
)


def desk_of(text: str, log: WrittenLog | None = None, clock: Clock | None = None, first: int = 1) -> Desk:
    book, report = check_source(Source("book.yaml", text))
    assert book is not None, report.render({})
    store = Store()
    store.publish(make_edition(book, NOON))
    ids = itertools.count(first)
    return Desk(store, now=clock or Clock(), new_id=lambda: f"decision-{next(ids):04}", log=log)


@contextmanager
def logged(path: Path, *, masked: str = "", clock: Clock | None = None, first: int = 1) -> Iterator[Desk]:
    """A desk that records what it decides by the book of before."""
    clock = clock or Clock()
    log = open_log(LogSettings(target=str(path), masks=Masks(frozenset([masked] if masked else []))), now=clock)
    try:
        yield desk_of(BEFORE, log, clock, first)
    finally:
        log.close()


def ask(desk: Desk, amount: Any = 50, decision: str = "order", **more: Any) -> Answer:
    facts = {"amount": raw(amount), **{n: raw(v) for n, v in more.pop("facts", {}).items()}}
    return desk.decide(Request(decision=f"book.{decision}", facts=facts, caller="erp", **more))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["replay", *map(str, arguments)])


def replayed(*arguments: object) -> dict[str, Any]:
    """What the command says, by decision."""
    done = run(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    return {one["decision"]: one for one in json.loads(done.stdout)}


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    path = tmp_path / "book.yaml"
    path.write_text(AFTER, encoding="utf-8")
    return path


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["order", "strict", "pieces"]),
        st.one_of(st.integers(0, 200), st.just("1e3"), st.just("30.5")),
        st.sampled_from([None, date(2026, 3, 31), date(2026, 4, 1), datetime(2026, 5, 31, 17, 0, tzinfo=UTC)]),
        st.lists(st.integers(0, 3), max_size=3),
        st.sampled_from(TraceLevel),
    ),
    max_size=30,
)


@settings(max_examples=25)
@given(REQUESTS, st.booleans())
def test_it_says_what_deciding_one_by_one_comes_to(tmp_path_factory: pytest.TempPathFactory, asked: list[Any], as_of_day: bool) -> None:
    folder = tmp_path_factory.mktemp("replay")
    (folder / "book.yaml").write_text(AFTER, encoding="utf-8")
    given_out: list[tuple[Answer, dict[str, Any]]] = []
    with logged(folder / "d.db") as desk:
        for decision, amount, as_of, parts, trace in asked:
            facts = {"parts": parts} if decision == "pieces" else {}
            given_out.append((ask(desk, amount, decision, as_of=as_of, facts=facts, trace=trace), {"amount": amount, **facts}))
    other = desk_of(AFTER)
    day = date(2026, 6, 2)
    wanted: dict[str, list[str]] = {}
    for answer, facts in given_out:
        name = f"book.{answer.decision.name}"
        # What a day or an instant was at, it is again: the log holds the instant.
        moment: Any = day if as_of_day else answer.decided_at
        if not as_of_day and asked[int(answer.decision_id[-4:]) - 1][2] is not None:
            moment = asked[int(answer.decision_id[-4:]) - 1][2]
        again = other.decide(Request(decision=name, facts={n: raw(v) for n, v in facts.items()}, as_of=moment))
        same = (again.outcome, again.outputs, plain(again)) == (answer.outcome, answer.outputs, plain(answer))
        wanted.setdefault(name, []).extend([] if same else [answer.decision_id])
    arguments = ["--as-of", str(day)] if as_of_day else []
    output = folder / "changed.csv"
    found = replayed("--log", folder / "d.db", "--against", folder / "book.yaml", "--jobs", "1", "--output", output, *arguments)
    assert {name: one["changed"] for name, one in found.items()} == {name: len(ids) for name, ids in wanted.items()}
    with output.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert sorted(line["id"] for line in lines) == sorted(i for ids in wanted.values() for i in ids)


def plain(answer: Answer) -> list[Any]:
    return [(i.row.id, i.item_number, dict(i.outputs)) for i in answer.items]


def test_what_is_seen(tmp_path: Path, edited: Path, golden: Golden) -> None:
    with logged(tmp_path / "d.db") as desk:
        for amount in (50, 70, 80, 95, 120, 4_000):
            ask(desk, amount, facts={"customer": f"c-{amount}"})
        ask(desk, 70, as_of=date(2026, 5, 2))
        ask(desk, 95, as_of=date(2026, 5, 2))
        ask(desk, 10, "strict")
        ask(desk, 10, "pieces", facts={"parts": [1, 2]})
    edited.write_text(AFTER.replace("{twice: 2 * part}", "{twice: 3 * part}"), encoding="utf-8")
    done = run("--log", tmp_path / "d.db", "--against", edited, "--amount", "amount", "--examples", "1")
    assert done.exit_code == 0, done.output
    golden(HERE / "wanted" / "replay.txt", done.stdout)
    assert run("--log", tmp_path / "d.db", "--against", edited, "--exit-code").exit_code == 1


def test_nothing_changes(tmp_path: Path) -> None:
    same = tmp_path / "book.yaml"
    same.write_text(BEFORE + "# a note\n", encoding="utf-8")
    with logged(tmp_path / "d.db") as desk:
        ask(desk, 50)
        ask(desk, 50, purpose=Purpose.EXPLANATION)
    done = run("--log", tmp_path / "d.db", "--against", same, "--exit-code")
    assert (done.exit_code, done.stdout) == (0, "book.order  1 request decided again, of 2026-03-31: all alike\n")


def test_an_edit_that_is_not_in_force_yet_is_told(tmp_path: Path) -> None:
    later = tmp_path / "book.yaml"
    later.write_text(BEFORE.replace("value: 100, set_by", "set_by").replace(
        "{cap: {type: money, set_by: company}}",
        "{cap: {type: money, set_by: company, values: [{from: 2020-01-01, value: 100}, {from: 2027-01-01, value: 10}]}}",
    ), encoding="utf-8")  # fmt: skip
    with logged(tmp_path / "d.db") as desk:
        ask(desk, 50)
    done = run("--log", tmp_path / "d.db", "--against", later)
    assert "all alike" in done.stdout
    note = "of days before 2027-01-01, on which the edited book changes: --as-of 2027-01-01 decides all as of then"
    assert f"  note   the 1 request is {note}\n" in done.stdout
    with logged(tmp_path / "more.db") as desk:
        for _ in range(49):
            ask(desk, 50)
        ask(desk, 5, as_of=date(2027, 1, 1))
    assert f"  note   49 of 50 requests are {note}\n" in run("--log", tmp_path / "more.db", "--against", later).stdout
    found = replayed("--log", tmp_path / "more.db", "--against", later)["book.order"]
    assert found["changes_later_on"] == [{"day": "2027-01-01", "requests_before": 49}]
    assert "1 comes to something else (100 %)" in run("--log", tmp_path / "d.db", "--against", later, "--as-of", "2027-01-01").stdout


def test_what_cannot_be_compared_is_told_and_counted(tmp_path: Path) -> None:
    edited = tmp_path / "book.yaml"
    text = AFTER.replace("customer: {type: text, default: '\"nobody\"'}", "customer: {type: enum, values: [a, b], default: a}")
    text = text.replace("{amount: <= cap}", "{amount: <= cap, customer: a}")
    strict = text[text.index("  strict:") : text.index("  pieces:")]
    edited.write_text(text.replace(strict, ""), encoding="utf-8")
    with logged(tmp_path / "d.db", masked="at") as desk:
        ask(desk, 50, facts={"customer": "a"})
        ask(desk, 50, facts={"customer": "zoo"})
        ask(desk, 50, facts={"at": "2026-01-01T00:00:00Z"})
        ask(desk, 50, "strict")
    found = replayed("--log", tmp_path / "d.db", "--against", edited)
    assert found["book.strict"]["left_out"] == {"the edited books do not decide it": 1}
    order = found["book.order"]
    assert (order["requests"], order["left_out"]) == (3, {})
    assert [(c["from"], c["to"], c["requests"]) for c in order["changes"] if "refused" in c["to"]] == [
        ("outcome ship", "refused: facts customer", 1)
    ]
    with logged(tmp_path / "m.db", masked="amount") as desk:
        ask(desk, 50)
    masked = replayed("--log", tmp_path / "m.db", "--against", edited)["book.order"]
    assert (masked["requests"], masked["left_out"]) == (0, {"masked in the log: amount": 1})


def test_a_day_closes_where_each_book_is_in_force(tmp_path: Path) -> None:
    store = Store()
    rules = tmp_path / "rules"
    rules.mkdir()
    for name, zone in (("east", "Asia/Shanghai"), ("west", "America/New_York")):
        text = (
            f"policy: {name}\ntitle: {{en: B, zh: 一}}\ncurrency: CNY\ntime_zone: {zone}\ninputs: {{x: {{type: text}}}}\ndecisions:\n  d:\n"
            "    hit_policy: first\n    outputs: {o: {type: datetime}}\n    rules: [{id: all, set_by: company, then: {o: now}}]\n"
        )
        (rules / f"{name}.yaml").write_text(text, encoding="utf-8")
        made, report = check_source(Source(f"{name}.yaml", text))
        assert made is not None, report.render({})
        store.publish(make_edition(made, NOON))
    ids = itertools.count()
    log = open_log(LogSettings(target=str(tmp_path / "d.db")), now=Clock())
    desk = Desk(store, now=Clock(), new_id=lambda: f"id-{next(ids)}", log=log)
    for name in ("east", "west"):
        desk.decide(Request(decision=f"{name}.d", facts={"x": raw("a")}, as_of=date(2026, 3, 31)))
    log.close()
    found = replayed("--log", tmp_path / "d.db", "--against", rules, "--as-of", "2026-03-31")
    assert {n: (one["requests"], one["changed"]) for n, one in found.items()} == {"east.d": (1, 0), "west.d": (1, 0)}
    assert run("--log", tmp_path / "d.db", "--against", rules, "--as-of", "0001-01-01").stderr == "error: the year must be from 2 to 9998\n"


def test_masked_requests_are_counted_whatever_the_books_of_before_lack(tmp_path: Path, edited: Path) -> None:
    order = BEFORE[BEFORE.index("  order:") : BEFORE.index("  strict:")]
    lacking = tmp_path / "lacking" / "book.yaml"
    lacking.parent.mkdir()
    lacking.write_text(BEFORE.replace(order, ""), encoding="utf-8")
    for masked in ("amount", ""):
        with logged(tmp_path / "d.db", masked=masked, first=1 if masked else 100) as desk:
            for amount in (50, 70, 95):
                ask(desk, amount)
    found = replayed("--log", tmp_path / "d.db", "--against", edited, "--before", lacking)["book.order"]
    assert (found["requests"], found["left_out"]) == (0, {"masked in the log: amount": 3, "the books of before do not decide it": 3})


def test_a_fact_that_is_no_input_any_more_is_refused_alone(tmp_path: Path) -> None:
    edited = tmp_path / "book.yaml"
    edited.write_text(BEFORE.replace("  day: {type: date, optional: true}\n", ""), encoding="utf-8")
    with logged(tmp_path / "d.db") as desk:
        ask(desk, 50, facts={"day": date(2026, 1, 1)})
        ask(desk, 50)
    found = replayed("--log", tmp_path / "d.db", "--against", edited)["book.order"]
    assert [(c["from"], c["to"], c["requests"]) for c in found["changes"]] == [("outcome ship", "refused: facts day", 1)]
    assert "day" in found["changes"][0]["examples"][0]["facts"]
    assert found["requests"] == 2


DAMAGES = {
    "JSON cut off": ("facts", '{"amount":', "facts"),
    "facts that are no object": ("facts", "[1]", "facts"),
    "no facts": ("facts", 5, "facts"),
    "nested without end": ("facts", "[" * 100_000, "facts"),
    "a value of no kind": ("facts", '{"amount":{"zzz":1}}', "fact `amount`"),
    "a number": ("facts", '{"amount":{"money":{"amount":50,"currency":"CNY"}}}', "fact `amount`"),
    "another number": ("facts", '{"amount":{"money":{"amount":"50","currency":"CNY"}},"customer":{"text":5}}', "fact `customer`"),
    "a fact of no input": ("facts", '{"amount":{"money":{"amount":"50","currency":"CNY"}},"other":{"text":5}}', "fact `other`"),
    "a day": ("as_of", "nonsense", "day (as_of)"),
    "an instant": ("now", "soon", "instant (now)"),
    "an instant without zone": ("now", "2026-03-31T04:00:00", "instant (now)"),
    "outputs cut off": ("outputs", '{"outcome":', "answer"),
    "outputs of no kind": ("outputs", '{"outcome":{"txt":"ship"}}', "answer"),
    "an amount that is none": ("outputs", '{"rest":{"money":{"amount":"much","currency":"CNY"}}}', "answer"),
    "items": ("items", '[{"row_id":"x"}]', "answer"),
}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_is_named(tmp_path: Path, damage: str, jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policybook.replay.past.CHUNK", 3)
    same = tmp_path / "book.yaml"
    same.write_text(BEFORE, encoding="utf-8")
    with logged(tmp_path / "d.db") as desk:
        for amount in range(8):
            ask(desk, amount)
    column, value, what = DAMAGES[damage]
    with closing(sqlite3.connect(tmp_path / "d.db")) as connection:
        connection.execute(f"UPDATE record SET {column} = ? WHERE decision_id = 'decision-0005'", (value,))  # noqa: S608 - a column
        connection.commit()
    done = run("--log", tmp_path / "d.db", "--against", same, "--jobs", jobs)
    assert done.exit_code == 3
    said = " ".join(done.stderr.split())
    assert said.startswith(f"error: the record of decision `decision-0005` is damaged: its {what} cannot be read ("), said
    assert said.endswith("`policybook audit verify` tells what was changed")


# ---------------------------------------------------------------- files


CSV = 'order,value,customer,parts,day\n1,50,x,,2026-03-01\n2,70,,[],2026-03-01\n3,95,y,"[1, 2]",2026-05-01\n4,abc,z,,2026-03-01\n'


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


@pytest.fixture
def before(tmp_path: Path) -> Path:
    (tmp_path / "old").mkdir()
    path = tmp_path / "old" / "book.yaml"
    path.write_text(BEFORE, encoding="utf-8")
    return path


def test_a_file_of_another_system(orders: Path, before: Path, edited: Path) -> None:
    arguments = (
        orders,
        "--decision",
        "book.order",
        "--before",
        before,
        "--against",
        edited,
        "--map",
        "value=amount",
        "--day-column",
        "day",
    )
    found = replayed(*arguments, "--id-column", "order", "--examples", "9")["book.order"]
    assert (found["requests"], found["first_day"], found["last_day"]) == (4, "2026-03-01", "2026-05-01")
    # 50: another rest; 70 and 95: not within the new caps; `abc` is refused by both.
    assert [(c["from"], c["to"], [e["id"] for e in c["examples"]]) for c in found["changes"]] == [
        ("outcome ship", "outcome refuse", ["2", "3"]),
        ("outcome ship", "outcome ship", ["1"]),
    ]
    assert found["refused_by_both"] == {"refused: facts amount": 1}
    named = replayed(*arguments)["book.order"]
    assert named["changes"][1]["examples"][0]["id"] == "line 2"


def ids(found: dict[str, Any]) -> list[str]:
    return sorted(e["id"] for c in found["changes"] for e in c["examples"])


def test_rows_are_named_by_the_line_they_begin_on(tmp_path: Path, before: Path, edited: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policybook.replay.past.CHUNK", 2)
    file = tmp_path / "orders.csv"
    file.write_text('customer,amount\n"x\ny",50\nz,70\n\n"a\n\nb",80\nq,90\n', encoding="utf-8")
    found = replayed(file, "--decision", "book.order", "--before", before, "--against", edited, "--examples", "9")["book.order"]
    assert (found["requests"], ids(found)) == (4, ["line 2", "line 4", "line 6", "line 9"])


def test_what_both_refuse_is_not_alike(tmp_path: Path, before: Path, edited: Path) -> None:
    file = tmp_path / "orders.csv"
    same = (file, "--decision", "book.order", "--before", before, "--against", before)
    for text, says in (
        ("amount\nabc\n", "1 request decided again, of 2026-03-31: all refused, before as after"),
        ("amount\nabc\n1\n", "2 requests decided again, of 2026-03-31: 1 is refused, before as after, all others alike"),
        ("amount\n1\n", "1 request decided again, of 2026-03-31: all alike"),
        ("amount\n", "no request decided again"),
    ):
        file.write_text(text, encoding="utf-8")
        heads = run(*same).stdout.splitlines()
        assert re.sub(r"\d{4}-\d\d-\d\d", "2026-03-31", heads[0]) == f"book.order  {says}"
    file.write_text("amount\n70\n70\nx\ny\n", encoding="utf-8")
    changed = run(file, "--decision", "book.order", "--before", before, "--against", edited).stdout
    assert "2 come to something else (50 %), 2 are refused, before as after\n" in changed


@pytest.mark.parametrize(
    ("part", "whole", "says"),
    [
        (1, 1, "100 %"),
        (99_999, 100_000, "more than 99.9 %"),
        (9_994, 10_000, "99.9 %"),
        (37, 12_000, "0.3 %"),
        (1, 100_000, "less than 0.1 %"),
        (1, 3, "33.3 %"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(part: int, whole: int, says: str) -> None:
    assert _percent(part, whole) == says


def test_each_book_takes_its_own_inputs_of_a_file(tmp_path: Path, before: Path) -> None:
    """`old` is known to the books of before alone, `new` to the edited one; neither makes a row refused."""
    order = "      - {id: within, set_by: company, when: {amount: <= cap}, then"
    parts = {name: f"inputs:\n  {name}: {{type: boolean, default: true}}\n" for name in ("old", "new")}
    for name, path in (("old", before), ("new", tmp_path / "book.yaml")):
        ruled = BEFORE.replace("inputs:\n", parts[name]).replace(
            order, order.replace("{amount: <= cap}", f"{{amount: <= cap, {name}: true}}")
        )
        path.write_text(ruled, encoding="utf-8")
    file = tmp_path / "orders.csv"
    file.write_text("amount,old,new\n1,true,true\n1,false,true\n1,true,false\n1,false,false\n", encoding="utf-8")
    arguments = ("--decision", "book.order", "--before", before, "--against", tmp_path / "book.yaml", "--examples", "9")
    found = replayed(file, *arguments)["book.order"]
    assert (found["refused_by_both"], ids(found)) == ({}, ["line 3", "line 4"])
    # What an export says was stated is refused where it is no input, as the service would.
    file.write_text("amount,facts.new\n1,true\n1,\n", encoding="utf-8")
    assert [(c["from"], c["requests"]) for c in replayed(file, *arguments)["book.order"]["changes"]] == [("refused: facts new", 1)]


# ---------------------------------------------------------------- files that hold what was answered


EXPORTED = st.lists(
    st.tuples(
        st.sampled_from(["order", "pieces"]),
        st.one_of(st.integers(0, 200), st.just("30.5"), st.just("6000")),
        st.sampled_from([None, date(2026, 3, 31), datetime(2026, 5, 31, 17, 0, tzinfo=UTC)]),
        st.lists(st.integers(0, 3), max_size=3),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8),
    ),
    max_size=20,
)


@settings(max_examples=15)
@given(EXPORTED, st.booleans())
def test_an_export_comes_to_what_its_log_comes_to(tmp_path_factory: pytest.TempPathFactory, asked: list[Any], parquet: bool) -> None:
    folder = tmp_path_factory.mktemp("export")
    edited = folder / "book.yaml"
    edited.write_text(AFTER.replace("{twice: 2 * part}", "{twice: 2 * part + (if part = 3 then 1 else 0)}"), encoding="utf-8")
    with logged(folder / "d.db", masked="at") as desk:
        for decision, amount, as_of, parts, customer in asked:
            at = {"at": "2026-01-01T00:00:00Z"} if customer[0] < "a" else {}
            ask(desk, amount, decision, as_of=as_of, facts={"parts": parts, "customer": f"c{customer}", **at})
            desk.decide(Request(decision=f"book.{decision}", facts={"amount": raw(1)}, purpose=Purpose.EXPLANATION))
    form = "parquet" if parquet else "csv"
    for decision in ("order", "pieces"):
        name, file = f"book.{decision}", folder / f"{decision}.{form}"
        done = CliRunner().invoke(
            cli, ["audit", "export", "--log", str(folder / "d.db"), "--decision", name, "--format", form, "-o", str(file)]
        )
        assert done.exit_code == 0, done.output
        if not any(d == decision for d, *_ in asked):
            continue
        own, whole = ({} for _ in range(2))
        for found, source in ((own, (file, "--decision", name)), (whole, ("--log", folder / "d.db", "--decision", name))):
            found.update(replayed(*source, "--against", edited, "--amount", "amount", "--jobs", "1", "--examples", "99")[name])
            for move in found["changes"]:
                for example in move["examples"]:
                    # An amount stands there with the currency of the book, and a text of a book's own writing is one.
                    example.pop("facts")
        count = sum(d == decision for d, *_ in asked)
        assert own.pop("left_out") == {"recorded as explanation": count}
        assert whole.pop("left_out") == {}
        assert own == whole


PLACES = Field(name="places", kind=Kind(Base.LIST, element=Kind(Base.TEXT)))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=4))
def test_texts_in_a_list_are_read_back_from_an_export(texts: list[str]) -> None:
    cell = raw_text(Raw(Tag.LIST, tuple(Raw(Tag.TEXT, t) for t in texts)))
    assert coerce_value(value_of("places", cell), PLACES, book(), "places") == tuple(texts)


def test_an_export_with_what_cannot_be_decided_again(tmp_path: Path, edited: Path) -> None:
    with logged(tmp_path / "d.db", masked="amount") as desk:
        ask(desk, 50)
    with logged(tmp_path / "d.db", masked="customer", first=10) as desk:
        ask(desk, 70, facts={"customer": "x"})
        ask(desk, 70)
    CliRunner().invoke(
        cli,
        ["audit", "export", "--log", str(tmp_path / "d.db"), "--decision", "book.order", "--format", "csv", "-o", str(tmp_path / "d.csv")],
    )
    found = replayed(tmp_path / "d.csv", "--decision", "book.order", "--against", edited)["book.order"]
    assert (found["left_out"], ids(found)) == ({"masked in the log: amount": 1}, ["decision-0010", "decision-0011"])
    other = replayed(tmp_path / "d.csv", "--decision", "book.strict", "--against", edited)["book.strict"]
    assert (other["requests"], other["left_out"]) == (0, {"of another decision, book.order": 3})
    text = (tmp_path / "d.csv").read_text().replace(",2026-03-31,", ",soon,")
    (tmp_path / "d.csv").write_text(text)
    done = run(tmp_path / "d.csv", "--decision", "book.order", "--against", edited)
    assert (done.exit_code, "d.csv: line 3: `soon` and `2026-03-31T" in done.stderr) == (1, True), done.stderr


def test_a_file_with_some_outputs_of_another_system(tmp_path: Path, edited: Path) -> None:
    file = tmp_path / "orders.csv"
    # Within the edited cap of 60 the rest is what is left of it; a file need not tell the outcome, and an empty cell says that there was none.
    file.write_text(
        "amount,REST,day\n50,10.00 CNY,2026-03-01\n50,10,2026-03-01\n50,50,2026-03-01\n70,0.0,2026-03-01\n70,,2026-03-01\n9000,,2026-03-01\n"
    )
    arguments = (file, "--decision", "book.order", "--against", edited, "--map", "REST=outputs.rest", "--day-column", "day")
    found = replayed(*arguments)["book.order"]
    assert (ids(found), found["not_compared"]) == (["line 4", "line 6"], ["outcome"])
    assert found["amounts"]["rest"] == {"unit": "CNY", "before": "50", "after": "10", "difference": "-40"}
    text = run(*arguments).stdout
    assert "  note   not compared, for the file has no such column: outputs.outcome\n" in text
    assert "rest 50.00 CNY -> 10.00 CNY\n" in text
    assert "rest none -> 0.00 CNY\n" in text
    # An answer that the books do not know any more is another one.
    file.write_text("amount,outputs.outcome\n70,refuse\n70,hold\n")
    again = replayed(file, "--decision", "book.order", "--against", edited)["book.order"]
    assert [(c["from"], c["to"]) for c in again["changes"]] == [("outcome hold", "outcome refuse")]


def test_examples_fit_the_width_and_show_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    edited = tmp_path / "book.yaml"
    edited.write_text(BEFORE.replace("{twice: 2 * part}", "{twice: if part > 1 then 3 * part else 2 * part}"), encoding="utf-8")
    with logged(tmp_path / "d.db") as desk:
        ask(desk, 10, "pieces", facts={"parts": list(range(40)), "customer": "c" * 70})
    done = run("--log", tmp_path / "d.db", "--against", edited, "--format", "text").stdout
    example = done[done.index("decision-0001") :]
    assert "      38 of 40 items otherwise; the first, 3: twice 4 -> 6\n" in example
    assert max(map(len, example.splitlines())) <= 60


def test_a_parquet_file(tmp_path: Path, before: Path, edited: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from decimal import Decimal

    import pyarrow.parquet as pq

    table = pa.table(
        {
            "amount": pa.array([Decimal("50.00"), Decimal("70.00"), None], pa.decimal128(10, 2)),
            "parts": pa.array([[1], [], None], pa.list_(pa.int64())),
            "day": pa.array([date(2026, 3, 1)] * 3),
            "ratio": pa.array([0.1, 0.2, 0.3]),
        }
    )
    file = tmp_path / "orders.parquet"
    pq.write_table(table, file)
    arguments = (file, "--decision", "book.order", "--before", before, "--against", edited)
    found = replayed(*arguments, "--day-column", "day")["book.order"]
    assert (found["changed"], found["refused_by_both"]) == (2, {"refused: facts amount": 1})
    done = run(*arguments, "--map", "ratio=customer")
    assert done.exit_code == 1
    assert "the column `ratio` holds floats; numbers are exact here" in done.stderr


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        ("a,b\n1,2\n", (), "no column is called as an input of `book` (amount, customer, day, at, parts); name them with --map"),
        ("amount\n1\n", ("--map", "value=amount"), "there is no column `value`; there are amount"),
        ("value\n1\n", ("--map", "value=amout"), "`book` has no input `amout`, for the column `value`"),
        ("amount,value\n1,2\n", ("--map", "value=amount"), "two columns are the input `amount`"),
        ("amount,amount\n1,2\n", (), "two columns have one name"),
        ("amount,customer\n1,x\n2\n", (), "line 3 has 1 values, the first line names 2 columns"),
        ('customer,amount\n"x\ny",50\n\nz\n"u\nv",1\n', (), "line 5 has 1 values, the first line names 2 columns"),
        ("", (), "the first line names no columns; it must name the inputs"),
        ("what,when\n", (), "no column is called as an input of `book`"),
        ("amount,on\n1,soon\n", ("--day-column", "on"), "line 2: `soon` is no day; write 2026-03-31"),
        ("amount,parts\n1,[1\n", (), "a list is written `[a, b]`"),
        ('amount\n2\n"1\n', (), "line 3: unexpected end of data"),
        ("amount,on\n1,\n", ("--day-column", "on"), "line 2: `` is no day; write 2026-03-31"),
        ("amount,on\n1,0001-01-01\n", ("--day-column", "on"), "line 2: `0001-01-01`: the year must be from 2 to 9998"),
        ("amount,on\n1,2026-01-01T10:00\n", ("--day-column", "on"), "line 2: `2026-01-01T10:00`: an instant needs a time zone"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, before: Path, edited: Path, text: str, more: tuple[str, ...], says: str) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(text, encoding="utf-8")
    done = run(file, "--decision", "book.order", "--before", before, "--against", edited, *more)
    assert done.exit_code == 1
    assert says in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "name either a decision log (--log) or a FILE"),
        (("--log", "{log}", "{orders}"), 2, "name either a decision log (--log) or a FILE"),
        (("{orders}",), 2, "a FILE needs --decision with the name of one decision"),
        (("{orders}", "--decision", "book"), 2, "a FILE needs --decision with the name of one decision"),
        (
            ("{orders}", "--decision", "book.order", "--map", "value=amount"),
            1,
            "no column says what was answered (`outputs.outcome`, `outputs.rest`, as `policybook audit export --decision book.order` writes",
        ),
        (
            ("{orders}", "--decision", "book.order", "--map", "value=amount", "--map", "customer=outputs.out"),
            1,
            "`book.order` has no output `out`, for the column `customer`; did you mean `outcome`?",
        ),
        (("{orders}", "--before", "{before}", "--decision", "book.oder"), 1, "have no decision `book.oder`; did you mean `book.order`?"),
        (("--log", "{log}", "--amount", "amout"), 1, "no book has an input `amout`; did you mean `amount`?"),
        (("--log", "{log}", "--as-of", "soon"), 2, "soon"),
        (("--log", "{before}"), 3, "the decision log"),
        (("{orders}", "--before", "{before}", "--decision", "book.order", "--map", "x"), 2, "`x` is no COLUMN=INPUT"),
        *(
            (("--log", "{log}", *of_file, "x=amount"), 2, f"{of_file[-1]} plays no part with a decision log")
            for of_file in (("--map",), ("--day-column",), ("--id-column",))
        ),
        (("--log", "{log}", "--id-column", "a", "--map", "b=c"), 2, "--map, --id-column play no part with a decision log"),
        *(
            (("{orders}", "--before", "{before}", "--decision", "book.order", name, value), 2, f"{name} plays no part with a FILE")
            for name, value in (
                ("--caller", "erp"),
                ("--since", "2026-01-01"),
                ("--until", "2026-01-01"),
                ("--outcome", "decided"),
                ("--request-id", "1"),
                ("--version", "ab"),
            )
        ),
    ],
)
def test_what_cannot_be_asked(  # noqa: PLR0917 - fixtures and the case
    tmp_path: Path, orders: Path, before: Path, edited: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    with logged(tmp_path / "d.db"):
        pass
    places = {"log": tmp_path / "d.db", "orders": orders, "before": before}
    done = run(*(a.format(**places) for a in arguments), "--against", edited)
    assert (done.exit_code, says in done.stderr.replace("\n", " ")) == (code, True), done.stderr


def test_an_empty_log(tmp_path: Path, edited: Path) -> None:
    with logged(tmp_path / "d.db"):
        pass
    assert run("--log", tmp_path / "d.db", "--against", edited).stdout == "no decision to replay\n"


def test_several_processes_come_to_what_one_does(tmp_path: Path, edited: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policybook.replay.past.CHUNK", 7)
    clock = Clock(step=timedelta(hours=5))
    with logged(tmp_path / "d.db", clock=clock) as desk:
        for n in range(60):
            ask(desk, 3 * n, ("order", "pieces")[n % 2], facts={"parts": [n]})
    one, two = (
        run("--log", tmp_path / "d.db", "--against", edited, "--jobs", jobs, "--amount", "amount", "-o", tmp_path / f"{jobs}.csv")
        for jobs in (1, 2)
    )
    assert one.exit_code == two.exit_code == 0
    assert one.stdout == two.stdout
    assert (tmp_path / "1.csv").read_text() == (tmp_path / "2.csv").read_text()
