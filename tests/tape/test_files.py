"""Files as tapes keep them: what is read, what a path is told by, and what no file can do to the service."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import pytest

from autoplayback.tape.files import File, Wrote, paths, put, taken, told
from autoplayback.tape.values import Encoder, Trust, rebuild


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, 3 << 20])
def test_a_content_up_to_the_limit_is_kept(tmp_path: Path, size: int) -> None:
    """At the limit the content stays, one byte below it only digest and size."""
    content = os.urandom(size)
    path = tmp_path / "report.bin"
    path.write_bytes(content)
    assert taken(str(path), size).content == content
    if size:
        over = taken(str(path), size - 1)
        assert (over.size, over.sha256, over.content) == (size, hashlib.sha256(content).hexdigest(), None)


def test_what_is_no_regular_file_is_only_named(tmp_path: Path) -> None:
    """A pipe isn't waited for, a folder and an absent or impossible path don't raise."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "absent", Path("nul\0")):
        assert taken(str(path), 100) == File(told(str(path)))
    assert taken("/proc/self/status", 1 << 20).content  # a file that says it has no size


def test_temporary_files_are_told_without_their_random_names() -> None:
    """Two runs of tempfile give the same name; a name that the service chose itself stays."""
    with (
        tempfile.NamedTemporaryFile(suffix=".tar.gz", prefix="report-") as one,
        tempfile.NamedTemporaryFile(suffix=".tar.gz", prefix="report-") as other,
    ):
        assert told(one.name) == told(other.name) == "<temporary>/report-*.tar.gz"
    with tempfile.TemporaryDirectory() as folder:
        assert told(f"{folder}/invoices.csv") == "<temporary>/invoices.csv"
        assert told(f"{folder}/receipts.csv") == "<temporary>/receipts.csv"
    assert told("report.csv") == "report.csv"
    assert told("/srv/reports/tmpabcdefgh.csv") == "/srv/reports/tmpabcdefgh.csv"


def test_arguments_that_hold_paths() -> None:
    """Text, bytes and path objects, alone or several; anything else holds none."""
    assert paths("a") == paths(b"a") == paths(Path("a")) == ["a"]
    assert paths(["a", Path("b")]) == paths(("a", b"b")) == ["a", "b"]
    assert paths(None) == paths([]) == paths(["a", 1]) == paths(3) == []


def test_a_tape_gives_files_back_whatever_is_trusted() -> None:
    """An answer with files is rebuilt for a service that trusts nothing."""
    wrote = Wrote({"n": 1}, {"path": [File("a", 3, None, b"abc"), None]})
    assert rebuild(Encoder().encode(wrote), Trust()) == wrote


def test_putting_makes_the_folder(tmp_path: Path) -> None:
    """The recorded call may have made it too."""
    put(str(tmp_path / "new" / "file"), b"abc")
    assert (tmp_path / "new" / "file").read_bytes() == b"abc"
