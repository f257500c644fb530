"""Segments of a bucket on the local disk, for those who read many tapes of one: disposable, bounded, private.

A file has its name only once it is whole, and the name says which content it is: an interrupted download, or a segment that
was rewritten meanwhile, can't be taken for it. What is read from it is checked like anything from the bucket.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from autoplayback.cassettes.openfile import make_folder
from autoplayback.cassettes.places import digest
from autoplayback.originals import open, time_ns
from autoplayback.tape import ulid

LIMIT = 2 << 30
STALE_SECONDS = 3600
PARTIAL = ".partial"


class SegmentCache:
    """Whole segments by key and stamp. A disk that refuses them is no error: then there is no cache."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        """`limit`: bytes; the least recently read go first."""
        self.folder = folder
        self._limit = limit

    def read(self, key: str, stamp: str, offset: int, length: int) -> bytes | None:
        """Some bytes of a segment; None where it isn't here."""
        try:
            path = self._path(key, stamp)
            with open(path, "rb") as file:
                file.seek(offset)
                data = file.read(length)
            os.utime(path)
        except OSError:
            return None
        return data if len(data) == length else None

    def put(self, key: str, stamp: str, data: bytes) -> None:
        """Keeps a whole segment."""
        path = self._path(key, stamp)
        partial = path.with_name(f"{path.name}.{ulid.new()}{PARTIAL}")
        try:
            make_folder(self.folder.parent)
            make_folder(self.folder)
            self._trim(len(data))
            with open(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(data)
            partial.replace(path)
        except OSError:
            with suppress(OSError):
                partial.unlink()

    def drop(self, key: str) -> None:
        """Forgets a segment, whatever content it had."""
        for path in self.folder.glob(f"{digest(key)}-*"):
            with suppress(OSError):
                path.unlink()

    def _path(self, key: str, stamp: str) -> Path:
        return self.folder / f"{digest(key)}-{digest(stamp)}"

    def _trim(self, room: int) -> None:
        now = time_ns() / 1e9
        files = []
        for path in self.folder.iterdir():
            with suppress(OSError):
                status = path.stat()
                if path.name.endswith(PARTIAL) and now - status.st_mtime > STALE_SECONDS:
                    path.unlink()
                else:
                    files.append((status.st_mtime, status.st_size, path))
        used = sum(size for _, size, _ in files) + room
        for _, size, path in sorted(files):
            if used <= self._limit:
                return
            with suppress(OSError):
                path.unlink()
                used -= size
