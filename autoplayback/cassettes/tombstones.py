"""Tapes which are to be gone: `<ULID>.deleted`, a small JSON object beside the segments.

It is written before the first segment is touched and removed after the last: an erasure that is interrupted hides its tapes
at once, and is finished by whoever maintains the cassette next.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path

from autoplayback.cassettes.openfile import sync_folder
from autoplayback.originals import open
from autoplayback.tape import ulid

SUFFIX = ".deleted"


def dump(ids: Collection[str]) -> bytes:
    """The text of a tombstone."""
    return json.dumps({"tapes": sorted(ids)}).encode()


def parse(text: bytes) -> frozenset[str]:
    """The ids on a tombstone; none where it is damaged."""
    try:
        return frozenset(str(id) for id in json.loads(text)["tapes"])
    except (ValueError, TypeError, KeyError):
        return frozenset()


def write(folder: Path, ids: Collection[str]) -> None:
    """Adds a tombstone, on disk when it returns. Raises OSError."""
    path = folder / (ulid.new() + SUFFIX)
    partial = path.with_suffix(".partial")
    fd = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(dump(ids))
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    sync_folder(folder)


def standing(folder: Path) -> dict[Path, frozenset[str]]:
    """The tombstones in a folder with their ids."""
    found = {}
    for path in folder.glob("*" + SUFFIX):
        try:
            with open(path, "rb") as file:
                found[path] = parse(file.read())
        except OSError:
            continue
    return found
