"""The books as one document: what it says, that nothing in it is taken for markup, and that every link has its place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from policybook.check.book import check_source, read_beside
from policybook.cli.books import read_books
from policybook.model.book import Book, InForce, Invariant
from policybook.model.clauses import Beside, Clause, ClauseIndex, Repair
from policybook.model.functions import FUNCTIONS
from policybook.model.kinds import Text
from policybook.publish import LANGS, Publication, as_html, as_markdown, gather
from policybook.publish.labels import LABELS
from policybook.publish.phrases import FUNCTIONS as PHRASES
from policybook.source import Source

Golden = Callable[[Path, str], None]
HERE = Path(__file__).parent
DAY = date(2026, 5, 4)

BOOK = """\
policy: tea
title: {en: Tea room, zh: 茶室}
source: {document: 7}
currency: CNY
types:
  guest: {type: enum, values: {regular: {en: Regular guest, zh: 常客}, visitor: {en: Visitor, zh: 访客}}}
parameters:
  free_from:
    title: {en: Free tea from, zh: 免费茶起点}
    type: money
    unit: {en: CNY spent, zh: 元消费}
    clause: 7.1
    values:
      - {from: 2025-01-01, value: 12000}
      - {from: 2027-01-01, value: 200}
  discount: {title: {en: Discount, zh: 折扣}, value: 10%, set_by: company, reading: {en: None is stated., zh: 原文未定。}}
inputs:
  guest: {type: guest, title: {en: Guest, zh: 客人}}
  spent: {type: money, min: 0, default: 0, title: {en: Money spent, zh: 消费额}}
  cups: {type: list, of: {type: record, fields: {size: {type: integer, min: 1, title: {en: Size, zh: 容量}}}}, default: []}
values:
  lowered: {is: spent * (1 - discount), title: {en: Lowered bill, zh: 折后额}}
decisions:
  large_cup:
    title: {en: Is the cup large?, zh: 大杯}
    for_each: {cup: cups}
    hit_policy: collect count
    outputs: {large: {type: integer, title: {en: Large, zh: 大杯数}}}
    rules:
      - {id: large-cup, clause: 7.2, when: {cup.size: "not(null, [1..3))"}, then: {large: 1}}
  bill:
    title: {en: The bill, zh: 账单}
    question: {en: What does the guest pay?, zh: 客人应付多少？}
    hit_policy: first
    outputs:
      pay: {type: money, title: {en: To pay, zh: 应付}}
      word: {type: text, optional: true, title: {en: A word, zh: 一句话}}
    rules:
      - id: free-tea
        clause: [7.1, 7.2]
        when: {guest: regular, spent: ">= free_from"}
        then: {pay: 0, word: '"Welcome"'}
        says: {en: "Free from {free_from}.", zh: "满{free_from}免费。"}
        reading: {en: The day counts., zh: 以当日计。}
      - id: lowered-bill
        set_by: company
        when: {guest: regular}
        then: {pay: lowered}
        says: {en: Lowered., zh: 打折。}
      - id: many-cups
        clause: 7.2
        when: {large_cup.large: "> 3"}
        then: {pay: spent / 2}
        effective: {from: 2026-06-01}
        says: {en: Half for many cups., zh: 多杯半价。}
    default: {id: full-bill, clause: 7.2, then: {pay: spent}, says: {en: The full bill., zh: 全额。}}
"""

CLAUSES = ClauseIndex(
    (
        Clause(
            id="7.1",
            document=7,
            kind="decision",
            text=Text("Tea is free from 12000.", "满12000元免费。"),
            lines=(1,),
            repairs=(Repair("蜕羧", "免费"),),
            unclear=Text("A day or a year?", "一天还是一年？"),
        ),
        Clause(id="7.2", document=7, kind="decision", text=Text("Others pay.", "其余付费。"), lines=(2,)),
        Clause(
            id="7.3",
            document=7,
            kind="principle",
            text=Text("Be kind.", "和气。"),
            lines=(3,),
            needs_no_row=Text("An exhortation.", "倡导。"),
        ),
        Clause(id="8.1", document=8, kind="duty", text=Text("Wash the cups.", "洗杯。"), lines=(4,)),
    )
)


def publication(day: date = DAY, *, text: str = BOOK, clauses: ClauseIndex | None = CLAUSES, whole: bool = True) -> Publication:
    source = Source("tea.yaml", text)
    book, report = check_source(source, Beside(clauses=clauses))
    assert book is not None, report.render({source.name: source})
    return gather([book], clauses, {book.name: day}, whole=whole)


@pytest.mark.parametrize("lang", ["en", "both"])
def test_the_whole_document(lang: str, golden: Golden) -> None:
    text = re.sub(r"`[0-9a-f]{8}`", "`version`", as_markdown(publication(), lang))
    golden(HERE / "wanted" / f"tea-{lang}.md", text)


VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Reads a page strictly: every tag closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: set[str] = set()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id" and value:
                self.ids.append(value)
            if name == "href" and value:
                self.targets.add(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> closes {self.open[-3:]} at {self.getpos()}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def check_page(html: str) -> Page:
    page = Page(html)
    assert [i for i, n in Counter(page.ids).items() if n > 1] == []
    assert {t for t in page.targets if not t.startswith("#")} == set()
    assert {t[1:] for t in page.targets} - set(page.ids) == set()
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert "src" not in page.attributes
    assert not {a for a in page.attributes if a.startswith("on")}
    assert not re.search(r"url\(|@import|https?://", html)
    return page


def check_markdown(text: str) -> None:
    ids = re.findall(r'<a id="([^"]*)"></a>', text)
    assert [i for i, n in Counter(ids).items() if n > 1] == []
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) - set(ids) == set()
    assert not re.search(r"https?://", text)
    columns = 0
    for line in text.splitlines():
        # A bar that is not escaped would begin another column.
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (columns and cells) or cells == columns, line
        columns = cells


@pytest.mark.parametrize("lang", LANGS)
def test_the_page_is_well_formed_and_needs_nothing(lang: str) -> None:
    check_page(as_html(publication(), lang))
    check_page(as_html(publication(clauses=None), lang))
    check_markdown(as_markdown(publication(), lang))


def test_each_language_and_both() -> None:
    en, zh, both = (check_page(as_html(publication(), lang)).text for lang in ("en", "zh", "both"))
    assert "Free from 12000 CNY." in en
    assert "满12000元免费。" in zh
    assert "Free from 12000 CNY." in both
    assert "满12000元免费。" in both
    assert "What does the guest pay?" not in zh
    assert "客人应付多少？" not in en
    # Clauses are quoted in both, whatever the page.
    for page in (en, zh, both):
        assert "Others pay." in page
        assert "其余付费。" in page


def test_figures_and_rows_are_those_of_the_day() -> None:
    before, after = as_markdown(publication(), "en"), as_markdown(publication(date(2027, 1, 1)), "en")
    assert "Free from 12000 CNY." in before
    assert "Half for many cups." not in before
    assert "Not in force on this day: `many-cups` (from 2026-06-01)" in before
    assert "Free from 200 CNY." in after
    assert "Half for many cups." in after
    assert "Not in force" not in after


def test_a_book_and_a_figure_not_in_force_say_so() -> None:
    text = BOOK.replace("currency: CNY\n", "currency: CNY\neffective: {from: 2025-01-01, to: 2026-12-31}\n", 1)
    early = check_page(as_html(publication(date(2024, 1, 1), text=text), "en")).text
    assert early.count("not in force on this day") >= 3
    assert "Free from {free_from}." in early
    assert "from 2025-01-01 to 2026-12-31" in early


def test_what_the_company_set_is_marked_and_listed() -> None:
    pub = publication()
    (book,) = pub.by_company
    assert [f.name for f in book.company_figures] == ["discount"]
    assert [r.name for r in book.company_rows] == ["lowered-bill"]
    page = as_html(pub, "en")
    assert page.count("badge") >= 4
    assert 'id="company"' in page


def test_what_always_holds_and_what_must_be_recorded_is_shown() -> None:
    text = BOOK.replace("    hit_policy: ", "    must_log: true\n    hit_policy: ", 1)
    book, report = check_source(Source("tea.yaml", text))
    assert book is not None, report.render({})
    first = next(d for d in book.decisions if d.must_log)
    promise = Invariant(
        id="never-dearer", clauses=("1.2",), claim=InForce(names=(), exactly=1), where=(), says=Text("Never dearer.", "不得更贵。"),
        note=Text("", ""), uses=first.uses, span=first.span,
    )  # fmt: skip
    shown = replace(book, decisions=tuple(replace(d, invariants=(promise,)) if d is first else d for d in book.decisions))
    for made in (as_html(gather([shown], None, {"tea": DAY}), "en"), as_markdown(gather([shown], None, {"tea": DAY}), "en")):
        assert "Always holds (proved of every request)" in made
        assert "Never dearer" in made
        assert "No answer is given out without a durable record" in made
    assert "不得更贵" in as_html(gather([shown], None, {"tea": DAY}), "zh")
    assert "Always holds" not in as_html(gather([book], None, {"tea": DAY}), "en")


def test_every_clause_stands_in_its_appendix() -> None:
    pub = publication()
    ids = [[c.clause.id for d in part for c in d.clauses] for part in (pub.cited, pub.exempt, pub.open)]
    assert ids == [["7.1", "7.2"], ["7.3"], ["8.1"]]
    part = publication(whole=False)
    assert part.open == ()
    assert [d.number for d in part.exempt] == [7]


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "a | b", "](http://x.example)", '"><b>', "`*_#_*`", "&lt;i&gt;", "www.x.example"]
)
def test_what_people_wrote_is_never_markup(hostile: str) -> None:
    quoted = hostile.replace("'", "''")
    text = BOOK.replace("Tea room", "@@").replace("Lowered.", "@@").replace("None is stated.", "@@").replace("Regular guest", "@@")
    text = text.replace("CNY spent, zh: 元消费", "@@").replace('"Welcome"', '"' + "@@" + '"').replace("@@", "HOSTILE")
    text = re.sub(r"(?<=en: )HOSTILE", lambda _: f"'{quoted}'", text)
    index = ClauseIndex(
        (
            *CLAUSES.clauses,
            Clause(id="9.1", document=9, kind=hostile, text=Text(hostile, hostile), lines=(5,), repairs=(Repair(hostile, hostile),)),
        )
    )
    for lang in LANGS:
        pub = publication(text=text, clauses=index)
        html = as_html(pub, lang).replace(hostile, "") if "http" in hostile else as_html(pub, lang)
        page = check_page(html)
        assert page.tags["script"] == 0
        assert page.tags["i"] == 0
        if "http" not in hostile:
            assert hostile in page.text
        written = as_markdown(pub, lang)
        check_markdown(written)
        assert hostile not in written
        assert not re.search(r"(?<!\\)<(?!a id=|/a>|br>)", written)


def test_every_function_has_its_words() -> None:
    assert set(PHRASES) == set(FUNCTIONS)


def test_every_word_of_the_document_is_in_both_languages_and_used() -> None:
    assert [name for name, text in LABELS.items() if not (text.en and text.zh)] == []
    templates = "".join(p.read_text(encoding="utf-8") for p in (Path(gather.__code__.co_filename).parent / "templates").glob("*.jinja"))
    assert [name for name in LABELS if f'"{name}"' not in templates] == []


@pytest.fixture(scope="module")
def rules(root: Path) -> tuple[list[Book], ClauseIndex]:
    books = list(read_books([root / "rules"]).books.values())
    clauses = read_beside(root / "rules")[0].clauses
    assert books
    assert clauses is not None
    return books, clauses


@pytest.mark.parametrize("lang", LANGS)
def test_the_books_of_the_house(rules: tuple[list[Book], ClauseIndex], lang: str) -> None:
    books, clauses = rules
    pub = gather(books, clauses, {b.name: DAY for b in books})
    page = check_page(as_html(pub, lang))
    check_markdown(as_markdown(pub, lang))
    assert {f"row.{b.name}.{r.id}" for b in books for d in b.decisions for r in d.all_rows if r.effective.covers(DAY)} <= set(page.ids)
    told = [c.clause.id for part in (pub.cited, pub.exempt, pub.open) for d in part for c in d.clauses]
    assert sorted(told) == sorted(clauses.by_id)
