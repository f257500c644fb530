"""The folder cassette."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from autoplayback.cassettes import open_cassette, tombstones
from autoplayback.cassettes.folder import FolderCassette
from autoplayback.cassettes.openfile import OpenSegment
from autoplayback.cassettes.packing import pack
from autoplayback.config.settings import Settings
from autoplayback.errors import CassetteError, TapeError, TapeNotFound
from autoplayback.recorder.spool import Spool
from autoplayback.tape.segment import EntryWriter
from tests.cassettes.contract import NOON, CassetteContract
from tests.cassettes.making import draft, tape


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class TestFolder(CassetteContract):
    """Segments as files."""

    @pytest.fixture
    def cassette(self, tmp_path):
        """An empty one."""
        return open_cassette(str(tmp_path / "tapes"))

    def again(self, cassette):
        """Another reader of the folder."""
        return FolderCassette(cassette.folder)

    def raw(self, cassette):
        """The files."""
        return [path.read_bytes() for path in cassette.folder.iterdir() if path.suffix not in ("", ".lost")]

    def spoil(self, cassette, old, new):
        """Overwrites the files."""
        for path in cassette.folder.glob("*.tapes"):
            data = path.read_bytes()
            path.write_bytes(data.replace(old, new))


@pytest.fixture
def cassette(tmp_path):
    """A folder with three tapes."""
    made = FolderCassette(tmp_path / "tapes")
    made.add([tape(started=NOON + n, customer=f"c{n}") for n in range(3)])
    return made


def test_a_folder_that_isnt_there_says_what_to_do(tmp_path):
    """No traceback, no empty answer that would look like there were no tapes."""
    with pytest.raises(CassetteError, match="no such folder; record first"):
        list(FolderCassette(tmp_path / "nowhere").summaries())
    (tmp_path / "empty").mkdir()
    empty = FolderCassette(tmp_path / "empty")
    assert list(empty.summaries()) == []
    assert "AUTOPLAYBACK=record" in empty.emptiness()


@pytest.mark.parametrize("damage", ["delete", "scramble", "older", "forbid"])
def test_the_catalog_is_disposable(cassette, tmp_path, damage, monkeypatch):
    """Deleted, damaged, or in a cache folder that can't be written: the tapes are found all the same."""
    list(cassette.summaries())
    (catalog,) = (tmp_path / "cache").rglob("*.sqlite")
    cassette.close()
    if damage == "delete":
        shutil.rmtree(tmp_path / "cache")
    elif damage == "scramble":
        catalog.write_bytes(b"SQLite format 3\0" + os.urandom(20_000))
    elif damage == "older":
        catalog.write_bytes(b"")
    else:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    again = FolderCassette(cassette.folder)
    found = list(again.summaries())
    assert len(found) == 3
    assert again.load(found[0].tape).id == found[0].tape


def test_a_catalog_damaged_in_the_middle_of_the_work_is_made_again(cassette, tmp_path):
    """Pages overwritten under an open connection cost a second look, not an error or a wrong answer."""
    cassette.close()
    (catalog,) = (tmp_path / "cache").rglob("*.sqlite")
    data = catalog.read_bytes()
    catalog.write_bytes(data[:4096] + os.urandom(len(data) - 4096))
    assert len(list(FolderCassette(cassette.folder).summaries())) == 3


def test_foreign_files_are_skipped_and_named(cassette):
    """A folder may hold other things; a .tapes file which is no segment is told, and the rest is read."""
    (cassette.folder / "README").write_text("hello")
    (cassette.folder / "X.tapes").write_text("not ours")
    assert len(list(cassette.summaries())) == 3
    assert list(cassette.skipped) == ["X.tapes"]
    assert "not a segment" in cassette.skipped["X.tapes"]


def test_a_cut_segment_gives_what_is_whole(cassette):
    """Half a file, as a copy that was interrupted leaves it: whole tapes are read, verify says where it ends."""
    (path,) = cassette.folder.glob("*.tapes")
    found = sorted(summary.tape for summary in cassette.summaries())
    data = path.read_bytes()
    path.write_bytes(data[:len(data) * 2 // 3])
    again = FolderCassette(cassette.folder)
    rest = list(again.summaries())
    assert 0 < len(rest) < 3
    assert all(again.load(summary.tape).id in found for summary in rest)
    with pytest.raises((TapeNotFound, TapeError)):
        again.load(next(id for id in reversed(found) if id not in {summary.tape for summary in rest}))
    assert any("cut off" in problem.text for problem in again.verify())


@pytest.mark.parametrize("others", [0, 1])
def test_a_file_that_is_sealed_between_looking_and_reading_is_found_under_its_new_name(tmp_path, others):
    """Whether or not the folder has sealed files already."""
    cassette = FolderCassette(tmp_path)
    for number in range(others):
        cassette.add([tape(number=number)])
    live = OpenSegment(tmp_path, {"service": "x"})
    running = tape(number=7)
    live.append([pack(running, EntryWriter())])
    assert running.id in {summary.tape for summary in cassette.summaries()}
    live.seal()
    assert cassette.load(running.id) == running


def test_a_deletion_by_somebody_else_is_seen_by_who_has_looked_before(cassette):
    """The folder is not listed for each tape; whatever happens in it, also right after another change, is noticed."""
    first, second, third = sorted(summary.tape for summary in cassette.summaries())
    hour_ago = time.time_ns() - 3_600_000_000_000
    os.utime(cassette.folder, ns=(hour_ago, hour_ago))
    assert cassette.load(second).id == second
    tombstones.write(cassette.folder, {second})
    with pytest.raises(TapeNotFound):
        cassette.load(second)
    assert cassette.load(third).id == third
    now = os.stat(cassette.folder).st_mtime_ns
    tombstones.write(cassette.folder, {third})
    os.utime(cassette.folder, ns=(now, now))  # as a file system with coarse times has it
    with pytest.raises(TapeNotFound):
        cassette.load(third)
    assert cassette.load(first).id == first


def test_an_interrupted_erasure_hides_at_once_and_is_finished_later(cassette, monkeypatch):
    """Killed between the tombstone and the rewriting: the tape can't be read any more, and the next deletion erases it."""
    first, second, third = sorted(summary.tape for summary in cassette.summaries())
    tombstones.write(cassette.folder, {second})
    again = FolderCassette(cassette.folder)
    assert {summary.tape for summary in again.summaries()} == {first, third}
    with pytest.raises(TapeNotFound):
        again.load(second)
    with pytest.raises(TapeNotFound):
        again.resolve(second)
    again.delete(["nobody"])
    assert not list(cassette.folder.glob("*.deleted"))
    assert all(second.encode() not in path.read_bytes() for path in cassette.folder.glob("*.tapes"))


def test_both_segments_of_an_interrupted_rewriting_are_read_as_one(cassette):
    """Killed between writing the new segment and removing the old: each tape is there once, also after the old one goes."""
    (old,) = cassette.folder.glob("*.tapes")
    copy = old.read_bytes()
    cassette.delete([next(iter(cassette.summaries())).tape])
    old.write_bytes(copy)
    assert len(list(cassette.summaries())) == 3
    old.unlink()
    again = FolderCassette(cassette.folder)
    assert len(list(again.summaries())) == 2
    assert all(again.load(summary.tape) for summary in again.summaries())


def test_a_tape_in_a_file_being_written_is_hidden_now_and_erased_when_it_is_sealed(tmp_path):
    """A running recorder isn't disturbed; what waits for it is said."""
    folder = tmp_path / "tapes"
    recording = Spool(Settings(tapes=str(folder)), folder)
    drafts = [draft() for _ in range(3)]
    for each in drafts:
        recording.offer(each)
    recording.flush()
    cassette = FolderCassette(folder)
    assert cassette.delete([drafts[1].id]) == 1
    assert cassette.waiting == 1
    assert len(list(cassette.summaries())) == 2
    recording.close()
    assert len(list(cassette.summaries())) == 2
    cassette.delete([])
    assert cassette.waiting == 0
    assert all(drafts[1].id.encode() not in path.read_bytes() for path in folder.iterdir())


def test_the_catalog_forgets_a_deleted_tape_byte_by_byte(cassette, tmp_path):
    """Its metadata isn't left in a free page of the cache either."""
    victim = next(iter(cassette.summaries()))
    cassette.delete([victim.tape])
    cassette.close()
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            assert victim.tape.encode() not in path.read_bytes()


def test_files_nobody_else_may_read(cassette, tmp_path):
    """Folder and cache are private to their user."""
    for path in [cassette.folder, *cassette.folder.iterdir(), *(tmp_path / "cache" / "autoplayback").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_another_user_is_told_so(cassette):
    """Tapes are private; who may not read them learns that, instead of «no tapes»."""
    if os.geteuid():
        pytest.skip("needs another user")
    code = f"""
import os, sys
os.setgid(65534); os.setuid(65534)
sys.path.insert(0, {os.getcwd()!r})
from pathlib import Path
from autoplayback.cassettes.folder import FolderCassette
from autoplayback.cassettes.openfile import OpenSegment
from autoplayback.cassettes.packing import pack
try: list(FolderCassette(Path({str(cassette.folder)!r})).summaries())
except Exception as error: print(type(error).__name__, error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False,
                         env={"HOME": "/nonexistent"})
    if "ModuleNotFoundError" in run.stderr or "PermissionError" in run.stderr or not run.stdout:
        pytest.skip("the other user can't run this Python")
    assert run.stdout.startswith("CassetteError")


def test_losses_of_all_processes_are_added_up(tmp_path):
    """Each recorder leaves its counts beside its tapes; damaged ones don't matter."""
    folder = tmp_path / "tapes"
    for _ in range(2):
        recording = Spool(Settings(tapes=str(folder)), folder)
        recording.offer(draft())
        for _ in range(3):
            recording.lose("sampling trouble")
        recording.close()
    (folder / "broken.lost").write_text("{")
    assert FolderCassette(folder).losses() == {"sampling trouble": 6}
    FolderCassette(folder).forget_losses(NOON)
    counts = [json.loads(path.read_text()) for path in folder.glob("0*.lost")]
    assert counts == [{"lost": {"sampling trouble": 3}}] * 2
    FolderCassette(folder).forget_losses(time.time_ns() + 10**9)
    assert FolderCassette(folder).losses() == {}
