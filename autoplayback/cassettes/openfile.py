"""A segment being written: `<ULID>.open`, locked by its writer, sealed to `<ULID>.tapes`, recovered where its writer died.

The folder is the only state: a name ending in `.open` which nobody locks belongs to a process that is gone, and a scan finds
every whole tape in it. There is no ledger to disagree with.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoplayback.errors import TapeError
from autoplayback.originals import monotonic_ns, open, time_ns
from autoplayback.tape import segment, ulid
from autoplayback.tape.segment import Entry

OPEN, SEALED, UNBORN = ".open", ".tapes", ".new"
UNBORN_SECONDS = 60


class OpenSegment:
    """Appends whole entries to a file of its own; one writer a process, one thread at a time.

    `size` is always the end of the last whole entry. Whatever a failed write leaves behind it is cut off at once: a torn entry
    followed by a whole one would otherwise read as a third which nobody wrote.
    """

    def __init__(self, folder: Path, info: Mapping[str, Any], opened: int | None = None) -> None:
        """Creates the file and locks it before it has a name that others look for. Raises OSError.

        `opened`: the instant in its name, where it takes the place of an older segment.
        """
        make_folder(folder)
        self.id = ulid.new(opened)
        self.path = folder / (self.id + OPEN)
        self.opened = monotonic_ns()
        self.size = 0
        self.synced = 0
        self.dirty = 0
        self._rows: list[bytes] = []
        self._offsets: list[int] = []
        self._lengths: list[int] = []
        unborn = folder / (self.id + UNBORN)
        self._fd = os.open(unborn, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self._inode = inode(self._fd)
        try:
            give_to_owner(self._fd, folder)
            lock(self._fd)
            head = segment.header({**info, "pid": os.getpid(), "created": time_ns()})
            if os.write(self._fd, head) != len(head):
                raise OSError(28, "no space left for a segment's header", str(unborn))
            os.rename(unborn, self.path)
        except BaseException:
            os.close(self._fd)
            unborn.unlink(missing_ok=True)
            raise
        self.size = len(head)

    def __len__(self) -> int:
        """How many tapes it holds."""
        return len(self._rows)

    def append(self, entries: Sequence[Entry]) -> int:
        """Writes entries in one go; how many are whole in the file. Fewer than given: the disk refused the others.

        Raises OSError where not even cutting off a torn one works: then nothing may be appended to this file again.
        """
        data = memoryview(entries[0].data if len(entries) == 1 else b"".join([entry.data for entry in entries]))
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:
            pass
        kept, end = 0, self.size
        for entry in entries:
            if end + len(entry.data) > self.size + written:
                break
            self._rows.append(entry.row)
            self._offsets.append(end)
            self._lengths.append(len(entry.data))
            end += len(entry.data)
            kept += 1
        if kept < len(entries):
            os.ftruncate(self._fd, end)
        self.dirty += end - self.size
        self.size = end
        return kept

    def sync(self) -> None:
        """Puts what was written on the disk itself, so that it outlasts the machine and not only the process."""
        if self.dirty:
            os.fdatasync(self._fd)
            self.dirty = 0

    def unlinked(self) -> bool:
        """Whether somebody has removed the file: what is written now would vanish with it."""
        return os.fstat(self._fd).st_nlink == 0

    def seal(self) -> Path | None:
        """Adds index and footer and gives the file its final name; None where it held nothing and is removed.

        Index, fsync, rename, fsync of the folder, in this order: a `.tapes` file is whole whenever it can be seen at all. Where
        the disk refuses the index, the file stays `.open` for somebody to recover, and OSError is raised.
        """
        try:
            return seal(self._fd, self.path, self.size, self._rows, self._offsets, self._lengths)
        finally:
            os.close(self._fd)

    def abandon(self) -> None:
        """Closes the file as it is: whoever reads the folder next recovers it.

        In a forked child this leaves the parent's lock be. There the parent's thread may have been stopped anywhere, between
        closing this descriptor and saying so too: it is closed only if it still is this file.
        """
        close_if(self._fd, self._inode)


def seal(fd: int, path: Path, size: int, rows: Sequence[bytes], offsets: Sequence[int], lengths: Sequence[int]) -> Path | None:
    """Ends the open segment behind `fd`, whose entries end at `size`. Raises OSError, with the file cut back to its entries."""
    if not rows:
        os.unlink(path)
        return None
    data = memoryview(segment.trailer(rows, offsets, lengths, size))
    try:
        written = 0
        while written < len(data):
            written += os.write(fd, data[written:])
        os.fsync(fd)
    except OSError:
        os.ftruncate(fd, size)
        raise
    final = path.with_suffix(SEALED)
    os.rename(path, final)
    sync_folder(path.parent)
    return final


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of the file of a process that died."""

    path: Path | None
    """The sealed segment; None where there was no whole tape in it."""
    tapes: int
    torn: int
    """Bytes cut off its end."""


def recover(folder: Path) -> Iterator[Recovered]:
    """Seals the `.open` files whose writers are gone. Leaves alone what is locked, and what we may not write to."""
    for path in sorted(folder.glob("*" + OPEN)):
        try:
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError:
            continue  # another recovery was faster, or it isn't ours to write
        try:
            if lock(fd) and same_file(fd, path):
                yield _recover(fd, path)
        except OSError:
            continue  # no room for an index, or a file system without locks: it is read as it is
        finally:
            os.close(fd)
    for path in folder.glob("*" + UNBORN):
        try:
            if time_ns() / 1e9 - path.stat().st_mtime > UNBORN_SECONDS:
                path.unlink()
        except OSError:
            continue


def _recover(fd: int, path: Path) -> Recovered:
    with open(path, "rb") as file:
        data = file.read()
    try:
        found = segment.scan(data)
    except TapeError:
        found = None
    if found is None or not found.entries:
        path.unlink()
        return Recovered(None, 0, len(data))
    if found.damage:
        whole = [data[at.offset:at.offset + at.length] for at in found.entries]
        new = rewrite(path, found.info, [Entry(segment.row_of(entry), entry) for entry in whole])
        return Recovered(new, len(whole), len(data) - sum(map(len, whole)))
    os.ftruncate(fd, found.good)
    rows = [segment.row_of(data[at.offset:at.offset + at.length]) for at in found.entries]
    final = seal(fd, path, found.good, rows, [at.offset for at in found.entries], [at.length for at in found.entries])
    return Recovered(final, len(rows), len(data) - found.good)


def rewrite(path: Path, info: Mapping[str, Any], entries: Sequence[Entry]) -> Path | None:
    """Puts `entries` into a new segment in place of the one at `path`, which goes only when the new one is safe."""
    new = None
    if entries:
        writer = OpenSegment(path.parent, inherited(info), ulid.started(path.stem) if len(path.stem) == 26 else None)
        if writer.append(entries) < len(entries):
            writer.abandon()
            writer.path.unlink()
            raise OSError(28, "no space left to rewrite a segment", str(path))
        new = writer.seal()
    path.unlink()
    sync_folder(path.parent)
    return new


def lock(fd: int) -> bool:
    """Takes the lock that says somebody lives behind this file; False where somebody else does."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def same_file(fd: int, path: Path) -> bool:
    """Whether `path` still names the file that is open: it may have been sealed between our opening and locking it."""
    try:
        mine, named = os.fstat(fd), os.stat(path)
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino)


def inherited(info: Mapping[str, Any]) -> dict[str, Any]:
    """What a rewritten segment says of itself after the one it replaces."""
    return {key: value for key, value in info.items() if key not in ("version", "pid", "created")}


def give_to_owner(fd: int, folder: Path) -> None:
    """What root's tools write into the folder of a service must stay readable to the service."""
    if os.geteuid() == 0:
        status = os.stat(folder)
        if status.st_uid != 0:
            os.fchown(fd, status.st_uid, status.st_gid)


def inode(fd: int) -> tuple[int, int]:
    """Which file an open descriptor is."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def close_if(fd: int, expected: tuple[int, int]) -> None:
    """Closes a descriptor unless it has become another file's."""
    try:
        if inode(fd) == expected:
            os.close(fd)
    except OSError:
        return


def make_folder(folder: Path) -> None:
    """Creates a folder for recorded data, which is nobody else's business; one that is there keeps its permissions."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes names in the folder last: a rename is on disk only when its folder is."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
