"""What recorders dropped and why, on disk beside the tapes: `<ULID>.lost`, a small JSON object a process.

The file is made at its full length before anything is lost and is overwritten in place, so that a full disk, the likeliest
reason of a loss, can't also hide it. Where that can't be done, as in a folder that may not be written, the file lies in the
user's state folder instead: `places.losses_folder`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from autoplayback.cassettes import places
from autoplayback.cassettes.openfile import close_if, inode, lock, make_folder
from autoplayback.errors import CassetteError
from autoplayback.originals import open
from autoplayback.tape import ulid

SUFFIX = ".lost"
LENGTH = 2048
LEFT_OUT = "sampling: "
"""What the reasons of operations begin with that were left out on purpose, and so aren't lost."""


class LossFile:
    """The counts of one process; locked while it lives."""

    def __init__(self, folder: Path) -> None:
        """Reserves the file. Raises OSError."""
        make_folder(folder)
        self.path = folder / (ulid.new() + SUFFIX)
        self._fd = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self._inode = inode(self._fd)
        try:
            lock(self._fd)
            self.write({})
        except OSError:
            os.close(self._fd)
            self.path.unlink(missing_ok=True)
            raise

    def write(self, lost: Mapping[str, int]) -> None:
        """Replaces the counts. Raises OSError."""
        kept = dict(lost)
        while len(text := json.dumps({"lost": kept}).encode()) > LENGTH:  # absurdly many reasons: the rarest go together
            rarest = sorted(kept, key=lambda reason: (kept[reason], reason))[:len(kept) // 2 + 1]
            kept["other"] = sum(kept.pop(reason) for reason in rarest)
        padded = text.ljust(LENGTH)
        if os.pwrite(self._fd, padded, 0) != len(padded):
            raise OSError(28, "no space left for the counts of lost tapes", str(self.path))

    def unlinked(self) -> bool:
        """Whether somebody has removed the file."""
        return os.fstat(self._fd).st_nlink == 0

    def close(self, *, keep: bool) -> None:
        """Lets go of the file; removes it unless there is something on it to `keep`."""
        if not keep:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)

    def abandon(self) -> None:
        """In a forked child: lets go of the parent's file without touching it."""
        close_if(self._fd, self._inode)


def reserve(folder: Path) -> LossFile:
    """A file for this process' counts, beside the tapes where that can be. Raises OSError where it can be nowhere."""
    try:
        return LossFile(folder)
    except OSError as error:
        try:
            return LossFile(places.losses_folder(folder))
        except CassetteError:
            raise error from None


def read(text: bytes) -> dict[str, int]:
    """The counts in one file; empty where it is damaged, since a count isn't worth an error."""
    try:
        lost = json.loads(text)["lost"]
        return {str(reason): int(count) for reason, count in lost.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def forget(folder: Path, before: int) -> None:
    """Removes the counts of processes that are gone and began before an instant (nanoseconds since the epoch)."""
    for path in _files(folder):
        try:
            if began(path.name) < before:
                with open(path, "rb") as file:
                    if lock(file.fileno()):
                        path.unlink()
        except OSError:
            continue


def began(name: str) -> int:
    """When the process of a file's counts began to record; now-ish, and so never old, where the name isn't ours."""
    try:
        return ulid.started(Path(name).stem)
    except ValueError:
        return 1 << 63


def total(folder: Path) -> dict[str, int]:
    """The counts of all processes that wrote to a folder, by reason. Empty files which dead processes left are removed."""
    counts: Counter[str] = Counter()
    for path in _files(folder):
        try:
            with open(path, "rb") as file:
                lost = read(file.read(LENGTH))
                counts.update(lost)
                if not lost and lock(file.fileno()):
                    path.unlink()
        except OSError:
            continue
    return dict(counts)


def _files(folder: Path) -> list[Path]:
    """The files of counts for a folder, wherever they had to be put."""
    found = list(folder.glob("*" + SUFFIX))
    try:
        found += places.losses_folder(folder).glob("*" + SUFFIX)
    except (CassetteError, OSError):
        pass
    return found
