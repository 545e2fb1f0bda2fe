from __future__ import annotations

import os
from pathlib import Path

import pytest

from policybook.trials.watch import look, wait_for_change


def steps(*changes: object) -> object:
    """Make one change at each wait, then end the waiting."""
    left = iter(changes)

    def wait() -> None:
        try:
            change = next(left)
        except StopIteration:
            raise KeyboardInterrupt from None
        if callable(change):
            change()

    return wait


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.yaml"
    path.write_text("1")
    return path


def wait(folder: Path, *changes: object) -> list[str]:
    def paths() -> list[Path]:
        return sorted(folder.iterdir())

    return [p.name for p in wait_for_change(paths, look(paths()), steps(*changes))]  # type: ignore[arg-type]


def test_a_change_is_told_once_it_is_still(file: Path) -> None:
    assert wait(file.parent, None, lambda: file.write_text("22"), None) == ["a.yaml"]
    # Half written at the first look, whole at the second: only the third tells.
    with pytest.raises(KeyboardInterrupt):
        wait(file.parent, lambda: file.write_text("333"), lambda: file.write_text("4444"))


def test_files_come_and_go(file: Path) -> None:
    assert wait(file.parent, lambda: (file.parent / "b.csv").write_text("id"), None) == ["b.csv"]
    assert wait(file.parent, file.unlink, None) == ["a.yaml"]


def test_a_file_of_the_same_size_is_known_by_its_time(file: Path) -> None:
    def same_size() -> None:
        file.write_text("2")
        os.utime(file, ns=(0, 1))

    assert wait(file.parent, same_size, None) == ["a.yaml"]


def test_a_change_that_is_taken_back_is_none(file: Path) -> None:
    before = file.stat()

    def back() -> None:
        file.write_text("1")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(KeyboardInterrupt):
        wait(file.parent, lambda: file.write_text("22"), back, None, None)
