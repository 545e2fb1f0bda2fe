"""Books change under a running service: the new one or the old one, never half."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from books_in_text import HEAD, NOON, write
from policybook import open_books
from policybook.errors import BookError
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
