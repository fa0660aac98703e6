"""Saving: whole or not at all, nothing left behind, and errors that name the path."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from interlingua.errors import OutputError
from interlingua.writing import replace_file, replace_folder

NOBODY = 65534


class Stop(Exception):
    """What a block may raise."""


@pytest.fixture
def home():
    """A folder of an ordinary user, and that user's rights: root may write anywhere."""
    was = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        if was == 0:
            os.chown(name, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        yield Path(name)
        os.seteuid(was)


@pytest.fixture
def locked(home):
    """A folder that may be read and not written to."""
    folder = home / "locked"
    (folder / "model").mkdir(parents=True)
    (folder / "vectors").write_text("old")
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_appears_under_its_name_with_the_usual_permissions(tmp_path):
    with replace_file(tmp_path / "hits.txt") as new:
        assert not (tmp_path / "hits.txt").exists()
        new.write_text("three hits")
    assert (tmp_path / "hits.txt").read_text() == "three hits"
    assert names(tmp_path) == ["hits.txt"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "hits.txt").stat().st_mode) == 0o666 & ~mask


def test_an_existing_file_stays_as_it_was_until_the_block_ends(tmp_path):
    path = tmp_path / "hits.txt"
    path.write_text("old")
    with replace_file(path) as new:
        new.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["hits.txt"]


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, MemoryError])
def test_an_exception_in_the_block_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "hits.txt"
    path.write_text("old")

    def write_half():
        with replace_file(path) as new:
            new.write_text("half of the n")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["hits.txt"]


def test_an_exception_in_the_block_leaves_no_file_where_there_was_none(tmp_path):
    def write_half():
        with replace_file(tmp_path / "hits.txt") as new:
            new.write_text("half")
            raise Stop

    with pytest.raises(Stop):
        write_half()
    assert names(tmp_path) == []


def test_a_full_disk_in_the_block_is_an_output_error_with_the_path(tmp_path):
    def fill():
        with replace_file(tmp_path / "hits.txt"):
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"hits\.txt: No space left on device"):
        fill()
    assert names(tmp_path) == []


def enter(replace, path):
    with replace(path):
        pytest.fail("the block must not begin")


@pytest.mark.parametrize("replace", [replace_file, replace_folder])
def test_a_missing_parent_is_an_output_error_with_the_path(tmp_path, replace):
    path = tmp_path / "nowhere" / "result"
    with pytest.raises(OutputError, match=f"Cannot write {path}: No such file"):
        enter(replace, path)


@pytest.mark.parametrize("replace", [replace_file, replace_folder])
def test_a_parent_that_is_a_file_is_an_output_error_with_the_path(tmp_path, replace):
    (tmp_path / "parent").write_text("a file")
    path = tmp_path / "parent" / "result"
    with pytest.raises(OutputError, match=f"Cannot write {path}: "):
        enter(replace, path)


@pytest.mark.parametrize(
    ("replace", "name"),
    [(replace_file, "vectors"), (replace_file, "new"), (replace_folder, "model"), (replace_folder, "new")],
)
def test_no_permission_is_an_output_error_with_the_path(locked, replace, name):
    path = locked / name
    with pytest.raises(OutputError, match=f"Cannot write {path}: Permission denied"):
        enter(replace, path)
    assert names(locked) == ["model", "vectors"]


def test_a_folder_where_a_file_is_wanted_is_refused_and_kept(tmp_path):
    path = tmp_path / "result"
    path.mkdir()
    (path / "kept").write_text("old")

    def write():
        with replace_file(path) as new:
            new.write_text("new")

    with pytest.raises(OutputError, match=f"Cannot write {path}: Is a directory"):
        write()
    assert (path / "kept").read_text() == "old"
    assert names(tmp_path) == ["result"]


def test_a_file_where_a_folder_is_wanted_is_refused_before_any_work(tmp_path):
    path = tmp_path / "model"
    path.write_text("a file")
    with pytest.raises(OutputError, match=f"Cannot write {path}: there is a file of that name"):
        enter(replace_folder, path)
    assert path.read_text() == "a file"
    assert names(tmp_path) == ["model"]


def test_a_new_folder_appears_under_its_name_with_all_that_is_in_it(tmp_path):
    with replace_folder(tmp_path / "model") as new:
        (new / "inner").mkdir()
        (new / "inner" / "weights").write_text("new")
        assert not (tmp_path / "model").exists()
    assert (tmp_path / "model" / "inner" / "weights").read_text() == "new"
    assert names(tmp_path) == ["model"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o777 & ~mask


def test_an_existing_folder_is_replaced_whole_with_no_file_of_the_old_left(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    (path / "only-in-old").write_text("old")
    with replace_folder(path) as new:
        (new / "weights").write_text("new")
        assert names(path) == ["only-in-old"]
    assert names(path) == ["weights"]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt])
def test_an_exception_in_the_block_leaves_the_old_folder_and_nothing_else(tmp_path, error):
    path = tmp_path / "model"
    path.mkdir()
    (path / "weights").write_text("old")

    def write_half():
        with replace_folder(path) as new:
            (new / "weights").write_text("ne")
            raise error

    with pytest.raises(error):
        write_half()
    assert (path / "weights").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_a_folder_that_cannot_be_moved_away_stays_and_nothing_is_left_beside_it(home):
    path = home / "model"
    path.mkdir()
    (path / "weights").write_text("old")
    path.chmod(0o555)

    def write():
        with replace_folder(path) as new:
            (new / "weights").write_text("new")

    with pytest.raises(OutputError, match=f"Cannot write {path}: Permission denied"):
        write()
    assert (path / "weights").read_text() == "old"
    assert names(home) == ["model"]
    path.chmod(0o755)
