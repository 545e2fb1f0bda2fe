"""Books change under a running service: the new one or the old one, never half."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from books_in_text import HEAD, NOON, write
from policybook import open_books
from policybook.analyse import invariants
from policybook.check import book as check_book
from policybook.errors import BookError
from policybook.load.clauses import load_clauses
from policybook.store import reload
from policybook.store.reload import Reloader

BODY = "inputs: {n: {type: integer}}\ndecisions:\n  d:\n    hit_policy: first\n    outputs: {x: {type: integer}}\n    rules: [{id: r, clause: 1, when: {n: 1}, then: {x: 1}}]\n"


@pytest.fixture
def running(tmp_path: Path):
    write(tmp_path, BODY, "one")
    write(tmp_path, BODY, "two")
    store = open_books([tmp_path], now=lambda: NOON)
    return tmp_path, store, Reloader(store, tmp_path, now=lambda: datetime.now(UTC))


def settle(reloader: Reloader):
    """Look twice: a change is taken when it has been the same on two looks."""
    return (*reloader.scan(), *reloader.scan())


def test_nothing_changed_nothing_published(running):
    _, _, reloader = running
    assert settle(reloader) == ()


def test_an_edit_is_published_and_the_old_version_can_be_pinned(running):
    folder, store, reloader = running
    old = store.edition("one")
    write(folder, BODY.replace("x: 1}", "x: 2}"), "one")
    (event,) = settle(reloader)
    assert (event.kind, event.policy) == ("published", "one")
    assert store.edition("one").version == event.version != old.version
    assert store.edition("one", old.version) is old
    assert store.edition("two").version != event.version


def test_a_bad_edit_is_refused_with_a_log_line_and_the_old_version_goes_on(running, caplog):
    folder, store, reloader = running
    old = store.edition("one")
    write(folder, BODY.replace("n: 1", "m: 1"), "one")
    with caplog.at_level(logging.ERROR, "policybook.reload"):
        (event,) = settle(reloader)
    assert event.kind == "refused"
    assert store.edition("one") is old
    assert "row `r` tests `m`, which is not a name in this book" in caplog.text
    assert settle(reloader) == (), "a refused file is reported once"
    write(folder, BODY.replace("x: 1}", "x: 3}"), "one")
    assert [e.kind for e in settle(reloader)] == ["published"]


def test_a_file_that_is_still_being_written_is_not_taken(running):
    folder, store, reloader = running
    old = store.edition("one")
    path = folder / "one.yaml"
    whole = path.read_text()
    for length in (40, 80, 120):
        path.write_text(whole[:length])
        assert reloader.scan() == ()
    path.write_text(whole)
    assert settle(reloader) == ()
    assert store.edition("one") is old


def test_a_new_book_joins_and_a_removed_one_leaves(running):
    folder, store, reloader = running
    write(folder, BODY, "three")
    assert [e.kind for e in settle(reloader)] == ["published"]
    version = store.edition("two").version
    (folder / "two.yaml").unlink()
    assert [e.kind for e in settle(reloader)] == ["withdrawn"]
    assert store.policies() == ("one", "three")
    assert store.edition("two", version).version == version


def test_going_back_to_an_old_text_makes_it_the_newest_again(running):
    folder, store, reloader = running
    old = store.edition("one").version
    write(folder, BODY.replace("x: 1}", "x: 2}"), "one")
    settle(reloader)
    write(folder, BODY, "one")
    settle(reloader)
    assert store.edition("one").version == old
    assert len(store.previous("one")) == 1


def test_at_the_start_one_bad_book_keeps_all_from_being_served(tmp_path: Path):
    write(tmp_path, BODY, "good")
    write(tmp_path, BODY.replace("n: 1", "m: 1"), "bad")
    (tmp_path / "worse.yaml").write_text("policy: worse\n")
    with pytest.raises(BookError) as caught:
        open_books([tmp_path], now=lambda: NOON)
    assert {Path(f.span.file).name for f in caught.value.report.errors} == {"bad.yaml", "worse.yaml"}


def test_no_book_at_all_is_an_error(tmp_path: Path):
    with pytest.raises(BookError, match="there is no book in"):
        open_books([tmp_path], now=lambda: NOON)


def test_the_name_of_file_and_policy_must_agree_and_a_policy_stands_once(tmp_path: Path):
    (tmp_path / "wrong.yaml").write_text(HEAD + BODY)
    with pytest.raises(BookError, match="the policy is named `book`, the file `wrong.yaml`"):
        open_books([tmp_path], now=lambda: NOON)


CLAUSES = 'clauses: [{id: "1", document: 1, kind: decision, text: "一", en: One, lines: [1]}]\n'
CALENDAR = "calendar: company\ntitle: {en: Days, zh: 日历}\nweekend: [saturday, sunday]\nyears: {2026: {holidays: []}}\n"


def test_what_lies_beside_the_books_is_read_once(tmp_path: Path, monkeypatch):
    (tmp_path / "clauses.yaml").write_text(CLAUSES)
    for name in ("one", "two", "three"):
        write(tmp_path, BODY, name)
    read = []
    monkeypatch.setattr(check_book, "load_clauses", lambda *args: read.append(args) or load_clauses(*args))
    store = open_books([tmp_path], now=lambda: NOON)
    assert len(read) == 1
    reloader = Reloader(store, tmp_path, now=lambda: NOON)
    assert len(read) == 1
    (tmp_path / "clauses.yaml").write_text(CLAUSES.replace("One", "The one"))
    assert settle(reloader) != ()
    assert len(read) == 2


def test_the_watch_begins_without_checking_a_book_again(running, monkeypatch):
    folder, store, _ = running
    monkeypatch.setattr(reload, "read_book", lambda *_: pytest.fail("a book was read again"))
    assert settle(Reloader(store, folder, now=lambda: NOON)) == ()


def test_what_changed_before_the_watch_began_is_taken(running):
    folder, store, _ = running
    write(folder, BODY.replace("x: 1}", "x: 2}"), "one")
    (event,) = settle(Reloader(store, folder, now=lambda: NOON))
    assert (event.kind, event.policy) == ("published", "one")


def test_a_calendar_that_changed_before_the_watch_began_is_taken_by_the_books_that_count_by_it(tmp_path: Path):
    (tmp_path / "calendar.yaml").write_text(CALENDAR)
    write(tmp_path, BODY, "one")
    write(tmp_path, BODY.replace("{x: 1}", "{x: 'if is_working_day(as_of) then 1 else 2'}"), "two")
    store = open_books([tmp_path], now=lambda: NOON)
    (tmp_path / "calendar.yaml").write_text(CALENDAR.replace("saturday, ", ""))
    assert [e.policy for e in settle(Reloader(store, tmp_path, now=lambda: NOON))] == ["two"]


def test_a_bad_file_beside_the_books_is_told_with_its_line(running, caplog):
    folder, store, reloader = running
    versions = {name: store.edition(name).version for name in store.policies()}
    (folder / "clauses.yaml").write_text(CLAUSES.replace("document: 1", "document: 2"))
    with caplog.at_level(logging.ERROR, "policybook.reload"):
        events = settle(reloader)
    assert [e.kind for e in events] == ["refused", "refused"]
    assert "the clause `1` is not of document 2\n    1 | clauses: [" in caplog.text
    assert {name: store.edition(name).version for name in store.policies()} == versions


def test_a_book_is_not_judged_by_half_of_what_it_must_be_judged_by(tmp_path: Path):
    (tmp_path / "clauses.yaml").write_text(CLAUSES.replace("document: 1", "document: 2"))
    write(tmp_path, BODY, "one")
    loaded = reload.read_books([tmp_path])
    assert loaded.books == ()
    assert [(f.book, f.report.ok) for f in loaded.files] == [(None, True)]
    assert [f.message for f in loaded.report.errors] == ["the clause `1` is not of document 2"]


def test_two_books_of_one_name_are_told(tmp_path: Path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, BODY, "one")
    loaded = reload.read_books([tmp_path / "a", tmp_path / "b"])
    (finding,) = loaded.report.errors
    assert finding.message == f"the policy `one` stands in another file too: {tmp_path / 'a' / 'one.yaml'}"
    assert (finding.span.file, finding.help) == (str(tmp_path / "b" / "one.yaml"), "keep one of the two")
    assert len(loaded.books) == 1


INVARIANT = '    invariants: [{id: never-large, output: x, within: "< 5"}]\n'


def test_a_book_whose_invariant_is_refuted_is_not_served(running, caplog):
    folder, store, reloader = running
    write(folder, BODY + INVARIANT, "one")
    assert [e.kind for e in settle(reloader)] == ["published"]
    old = store.edition("one")
    write(folder, BODY.replace("x: 1}", "x: 7}") + INVARIANT, "one")
    with caplog.at_level(logging.ERROR, "policybook.reload"):
        (event,) = settle(reloader)
    (finding,) = event.report.errors
    assert event.kind == "refused"
    assert finding.message == "the invariant `never-large` does not hold: `x` is 7 (row `r`), which `< 5` does not allow"
    assert store.edition("one") is old
    assert f"book refused, the old version goes on serving: one.yaml\n{folder}/one.yaml:10:" in caplog.text
    assert finding.message in caplog.text


def test_at_the_start_a_refuted_invariant_keeps_the_books_from_being_served(tmp_path: Path):
    write(tmp_path, BODY.replace("x: 1}", "x: 7}") + INVARIANT, "one")
    with pytest.raises(BookError, match="the invariant `never-large` does not hold"):
        open_books([tmp_path], now=lambda: NOON)


def test_an_undecided_invariant_is_logged_and_served(tmp_path: Path, caplog):
    body = BODY.replace("n: {type: integer}", "n: {type: integer}, many: {type: list, of: {type: integer}}").replace(
        "x: 1}", "x: count(many)}"
    )
    write(tmp_path, body + INVARIANT.replace("< 5", "< 9"), "one")
    with caplog.at_level(logging.WARNING, "policybook.reload"):
        store = open_books([tmp_path], now=lambda: NOON)
    assert store.policies() == ("one",)
    assert [r.getMessage() for r in caplog.records] == [
        "policy `one`: it could not be decided whether the invariant `never-large` always holds: only longer lists could break it"
    ]


def test_a_version_is_proved_once(tmp_path: Path, monkeypatch):
    write(tmp_path, BODY + INVARIANT.replace("never-large", "only-here"), "one")
    asked = []
    monkeypatch.setattr(invariants.Proofs, "verdict", lambda self, one: asked.append(one.id) or invariants.PROVED)
    for _ in range(2):
        open_books([tmp_path], now=lambda: NOON)
    assert asked == ["only-here"]
