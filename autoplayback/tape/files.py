"""What a tape keeps of a file: the value that stands in the place of its path, and how files get there and back."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from dataclasses import dataclass
from typing import Any

from autoplayback.originals import open

TYPE = "autoplayback.tape.files:File"
"""What a File is called on a tape."""
TEMPORARY = "<temporary>/"
"""What the path of a temporary file begins with there."""
_PIECE = 1 << 20
_COARSE = 20_000_000
"""Nanoseconds by which a file's times may lag behind the clock."""
_RANDOM = re.compile(r"[a-z0-9_]{8}(?=\.|$)")
"""What `tempfile` puts between a name's prefix and suffix."""
_RANDOM_NAME = re.compile(r"^tmp[a-z0-9_]{8}(?=\.|$)")


@dataclass(frozen=True)
class File:
    """A file as it was at one moment. Where there was none (or no regular one), only its path is known."""

    path: str
    """As `told` tells it from others."""
    size: int | None = None
    """Bytes."""
    sha256: str | None = None
    """Hexadecimal, where the content isn't kept: else it would only repeat that."""
    content: bytes | None = None
    """None where it was larger than `limits.max_file_mb`."""
    fresh: bool = False
    """Whether it was written while the operation ran, outside folders for temporary files. A replay can't write there, so the
    file that it finds or misses there is never this one."""


@dataclass(frozen=True)
class Wrote:
    """The answer of a call which also wrote files: its result, and per parameter that names some what was then in them."""

    result: Any
    files: dict[str, list[File | None]]
    """In the order of the parameter's paths; None for a file that the call left as it was."""


def paths(value: Any) -> list[str]:
    """The paths that an argument holds: one, or a list or tuple of them; empty for anything else."""
    several = value if type(value) in (list, tuple) else (value,)
    if not all(isinstance(one, (str, bytes, os.PathLike)) for one in several):
        return []
    return [os.fsdecode(one) for one in several]


def told(path: str) -> str:
    """What a path is told by. In a folder for temporary files it is another one each time: then its last part, without what
    `tempfile` made up. A relative path is the service's own choice."""
    if not os.path.isabs(path):
        return path
    full = os.path.abspath(path)
    for folder in _temporary():
        if full.startswith(folder + os.sep):
            head, name = os.path.split(full)
            made_up = _RANDOM if head == folder else _RANDOM_NAME
            return TEMPORARY + made_up.sub("*", name, count=1)
    return path


def _temporary() -> list[str]:
    """The folders for temporary files, the deepest first. Asking `tempfile` itself would write a file to try them."""
    set_by = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    folders = {"/tmp", "/var/tmp", *set_by, getattr(sys.modules.get("tempfile"), "tempdir", None)}
    return sorted((os.path.abspath(folder) for folder in folders if isinstance(folder, str) and folder), key=len, reverse=True)


def taken(path: str, limit: int, since: int | None = None) -> File:
    """The file as it is now, its content where that is at most `limit` bytes; fresh if written `since` then (ns since the epoch).

    Never raises for what a file can be.
    """
    name = told(path)
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for its other end
            return File(name)
        digest, pieces, size = hashlib.sha256(), [], 0
        with open(path, "rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
                if size <= limit:
                    pieces.append(piece)
                else:
                    pieces.clear()
        written = max(found.st_mtime_ns, found.st_ctime_ns)
        fresh = since is not None and written > since - _COARSE and not name.startswith(TEMPORARY)
        if size <= limit:
            return File(name, size, None, b"".join(pieces), fresh)
        return File(name, size, digest.hexdigest(), None, fresh)
    except (OSError, ValueError):
        return File(name)


def put(path: str, content: bytes) -> None:
    """Writes a recorded content, where the replay is allowed to."""
    if folder := os.path.dirname(path):
        os.makedirs(folder, exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
