"""Figures in Chinese texts, and rows held against the clauses that they cite."""

from fractions import Fraction

import pytest

from books_in_text import HEAD
from policybook.check.book import check_source
from policybook.check.figures import chinese_number, figures_in
from policybook.load.clauses import load_clauses, lock_text
from policybook.model.clauses import Beside
from policybook.source import Source


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("三", 3),
        ("十", 10),
        ("十五", 15),
        ("三十", 30),
        ("二十四", 24),
        ("一百", 100),
        ("一百零五", 105),
        ("一千五百", 1500),
        ("两万", 20000),
        ("三千万", 30_000_000),
        ("二〇二六", 2026),
        ("〇", 0),
    ],
)
def test_chinese_numerals(text, number):
    assert chinese_number(text) == number


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("发货额应小于授信额的三分之一", "1/3"),
        ("客户流失的20%-40%", "1/5"),
        ("客户流失的20%-40%", "40"),
        ("好好应用一下80/20法则", "80"),
        ("设备安装约2/3时开始", "2/3"),
        ("费用应该控制在500元/人", "500"),
        ("报装容量在3000kva及以上", "3000"),
        ("注册资本5万元", "50000"),
        ("当天下午4点前投入", "16"),
        ("当天上午10点前", "10"),
        ("借阅时间不得超过三天", "3"),
        ("三个月内", "3"),
        ("每半年对客户档案", "6"),
        ("在合作满六个月后", "6"),
        ("一般在每年初3月份的25―30日", "25"),
    ],
)
def test_figures_are_found_in_each_way_they_may_be_meant(text, figure):
    assert Fraction(figure) in figures_in(text)


CLAUSES = """
clauses:
  - {id: 1.1, document: 1, kind: decision, text: "发货额应小于授信额的三分之一,借阅不得超过三天。", en: "Below one third; three days.", lines: [1]}
  - {id: 1.2, document: 1, kind: decision, text: "其他", en: "Others.", lines: [2], needs_no_row: {en: no rule, zh: 非规则}}
"""
BOOK = """
parameters:
  cap: {value: 1/3, clause: 1.1}
  days: {value: P3D, clause: 1.1}
inputs: {n: {type: number}, length: {type: duration}}
decisions:
  d:
    hit_policy: first
    outputs: {x: {type: integer}}
    rules:
      - {id: r, clause: 1.1, when: {n: < cap, length: <= days}, then: {x: 1}}
    default: {id: rest, clause: 1.2, then: {x: 0}}
"""


def warnings(book: str, clauses: str = CLAUSES, lock: str = "") -> list[str]:
    index, report = load_clauses(Source("clauses.yaml", clauses), lock)
    assert index is not None, report
    _, report = check_source(Source("book.yaml", HEAD + book), Beside(clauses=index))
    return [f.message for f in report]


def test_a_book_whose_figures_stand_in_its_clauses_is_clean():
    assert warnings(BOOK) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("value: 1/3", "value: 1/4"), "the parameter `cap` is 1/4; no clause that it cites (1.1) states that"),
        (("value: P3D", "value: P4D"), "the parameter `days` is 4 days; no clause that it cites (1.1) states that"),
        (
            ("value: P3D, clause: 1.1", "value: P3D, clause: 1.2"),
            "the parameter `days` is 3 days; no clause that it cites (1.2) states that",
        ),
        (("then: {x: 1}", "then: {x: 7}"), "the row `r` holds 7; no clause that it cites (1.1) states that"),
        (("n: < cap", "n: < 0.7"), "the row `r` holds 0.7; no clause that it cites (1.1) states that"),
    ],
)
def test_a_figure_that_no_clause_states_is_told(change, message):
    assert message in warnings(BOOK.replace(*change))


def test_a_figure_of_the_company_needs_no_clause():
    assert warnings(BOOK.replace("value: 1/3, clause: 1.1", "value: 1/4, clause: 1.1, set_by: company")) == []


def test_a_clause_that_is_not_there_is_an_error():
    assert warnings(BOOK.replace("clause: 1.2", "clause: 1.3")) == ["there is no clause `1.3` in clauses.yaml"]


def test_a_clause_that_changed_under_a_row_is_told():
    index, _ = load_clauses(Source("clauses.yaml", CLAUSES))
    lock = lock_text(index)
    assert warnings(BOOK, lock=lock) == []
    changed = warnings(BOOK, CLAUSES.replace("应小于", "不得大于"), lock)
    assert set(changed) == {"the text of clause 1.1 has changed since the rows that cite it were last read against it"}
    assert len(changed) == 3, "at each of the three places that cite it"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("id: 1.2", "id: 1.1"), "the clause `1.1` stands twice"),
        (
            ('document: 1, kind: decision, text: "其他"', 'document: 2, kind: decision, text: "其他"'),
            "the clause `1.2` is not of document 2",
        ),
        (("kind: decision", "kind: decison"), "there is no kind `decison`"),
        (("lines: [1]", "lines: [one]"), "`one` is not a line number"),
        (('en: "Others.", ', ""), "a clause lacks the key `en`"),
    ],
)
def test_a_bad_index_is_told(change, message):
    index, report = load_clauses(Source("clauses.yaml", CLAUSES.replace(*change, 1)))
    assert index is None
    assert message in [f.message for f in report]
