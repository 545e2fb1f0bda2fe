"""The index of clauses against the written policies, line by line, and the books against the index."""

import re
from pathlib import Path

import opencc
import pytest

from policybook.check.book import read_beside
from policybook.check.coverage import ClauseState, cover
from policybook.load.clauses import LOCK_FILE, lock_text
from policybook.store.reload import read_books

RULES = Path(__file__).resolve().parents[2] / "rules"
BESIDE, REPORT, _ = read_beside(RULES)
INDEX = BESIDE.clauses
LINES = (RULES / "source" / "policies.txt").read_text(encoding="utf-8").split("\n")
# The conversion of the source left the pronunciation of some characters behind them: 現(xiàn).
PRONUNCIATION = re.compile(r"\([a-zA-Zāáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜü]+\)")
SIMPLIFIED = opencc.OpenCC("t2s")
TITLES = {1: "客户管理制度范文", 3: "字号", 5: "鉴于当前形势的变化"}


def plain(text: str) -> str:
    """Simplify, and leave nothing but characters and digits: punctuation was mended."""
    return re.sub(r"[\W_]+", "", SIMPLIFIED.convert(PRONUNCIATION.sub("", text)).replace("著", "着"))


def groups():
    """Lines and clauses that belong together: a clause may take several lines, a line hold several clauses."""
    clauses_of = {}
    for clause in INDEX.clauses:
        for line in clause.lines:
            clauses_of.setdefault(line, []).append(clause)
    done = set()
    for line in sorted(clauses_of):
        if line in done:
            continue
        lines, pending = {line}, [line]
        while pending:
            for clause in clauses_of[pending.pop()]:
                new = set(clause.lines) - lines
                lines |= new
                pending.extend(new)
        done |= lines
        yield sorted(lines), [c for c in INDEX.clauses if set(c.lines) & lines]


def test_the_index_is_sound():
    assert REPORT.ok, REPORT
    assert {c.document for c in INDEX.clauses} == set(range(1, 22))


def test_every_line_of_the_source_is_in_the_index():
    named = {line for clause in INDEX.clauses for line in clause.lines}
    for number, text in enumerate(LINES, 1):
        if not text.strip() or number in named:
            continue
        heading = re.fullmatch(r"S店客户管理制度篇[一二三四五六七八九十]+", plain(text))
        assert heading or TITLES[number] in plain(text), f"line {number} belongs to no clause: {text.strip()}"


@pytest.mark.parametrize(("lines", "clauses"), [pytest.param(a, b, id=b[0].id) for a, b in groups()])
def test_the_texts_are_those_of_the_source(lines, clauses):
    """Every character, in order; what differs is said as a repair."""
    source = "".join(plain(LINES[i - 1]) for i in lines)
    for clause in clauses:
        for repair in clause.repairs:
            assert repair.damaged in source, f"{clause.id}: the source does not hold {repair.damaged}"
            source = source.replace(repair.damaged, repair.restored, 1)
    assert "".join(plain(c.text.zh) for c in clauses) == source


def test_every_clause_is_accounted_for():
    loaded = read_books([RULES])
    assert loaded.report.ok
    assert [c.clause.id for c in cover(INDEX, loaded.books) if c.state is ClauseState.OPEN] == []


def test_no_clause_has_both_rows_and_an_excuse():
    both = [c.clause.id for c in cover(INDEX, read_books([RULES]).books) if c.places and c.clause.needs_no_row]
    assert both == []


def test_the_rows_were_read_against_the_present_texts():
    assert (RULES / LOCK_FILE).read_text(encoding="utf-8") == lock_text(INDEX)
