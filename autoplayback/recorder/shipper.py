"""From the spool to the bucket: sealed segments are stored, found to be stored, and only then removed here.

The folder is the only state: what is in it isn't shipped yet. Of all processes and threads that share a spool one ships at a
time, whoever has the lock; and whoever ships first recovers what dead recorders left behind.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoplayback.cassettes import keys, losses
from autoplayback.cassettes.openfile import SEALED, lock, recover
from autoplayback.config.settings import Settings
from autoplayback.errors import AutoplaybackError, CassetteError, TapeError
from autoplayback.originals import allocate_lock, monotonic_ns, open, process_id, start_new_thread
from autoplayback.tape import segment

if TYPE_CHECKING:
    from autoplayback.cassettes.bucket import Bucket

ROUND_SECONDS = 60.0
LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Shipped:
    """What one round did."""

    segments: int
    bytes: int
    waiting: int
    """Sealed segments still here."""
    busy: bool = False
    """Somebody else is shipping this spool."""


class Shipper:
    """Ships one spool to its bucket, a round at a time."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self._settings = settings
        self._bucket: Bucket | None = None
        self._told: dict[str, bytes] = {}

    def ship(self) -> Shipped:
        """Stores every sealed segment. Raises the first CassetteError, after trying the others where that makes sense."""
        if not self.folder.is_dir():
            return Shipped(0, 0, 0)
        with self._alone() as mine:
            if not mine:
                return Shipped(0, 0, len(self._waiting()), busy=True)
            for _ in recover(self.folder):
                pass
            count = size = 0
            for path in self._waiting():
                size += self._store(path)
                count += 1
            self._store_losses()
            return Shipped(count, size, len(self._waiting()))

    def _waiting(self) -> list[Path]:
        return sorted(self.folder.glob("*" + SEALED))

    def _store(self, path: Path) -> int:
        with open(path, "rb") as file:
            data = file.read()
        try:
            info, _ = segment.read_header(data)
        except TapeError as error:
            raise CassetteError(str(path), f"{error.reason}; move it away, the segments behind it wait") from error
        key = keys.segment_key(str(info.get("service", "")), str(info.get("host", "")), path.stem)
        self._connected().put(key, data)
        path.unlink()
        return len(data)

    def _store_losses(self) -> None:
        """Keeps the counts of lost tapes in the bucket up to date; those of processes that are gone move there."""
        for path in sorted(self.folder.glob("*" + losses.SUFFIX)):
            try:
                with open(path, "rb") as file:
                    text = file.read().rstrip()
                    dead = lock(file.fileno())
                    counts = losses.read(text)
                    if counts and self._told.get(path.name) != text:
                        self._connected().put(keys.losses_prefix(self._settings.service) + path.name, text, replace=True)
                        self._told[path.name] = text
                    if dead:
                        path.unlink()
            except FileNotFoundError:
                continue

    def _connected(self) -> Bucket:
        if self._bucket is None:
            from autoplayback.cassettes.bucket import Bucket

            self._bucket = Bucket(self._settings.tapes, self._settings.s3)
        return self._bucket

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        fd = os.open(self.folder / ".ship", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            yield lock(fd)
        finally:
            os.close(fd)


class ShipperThread:
    """A thread of the service that ships, from the first sealed segment on; never waited for but briefly at exit."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self.forked()

    def forked(self) -> None:
        """In a child: begins anew, without a thread."""
        self._pid = -1
        self._wake = allocate_lock()
        self._wake.acquire()
        self._rounds = 0
        self._idle = True
        self.failure: str | None = None
        """Why the last round failed."""

    def notify(self) -> None:
        """There is something to ship. Called by the spool's thread."""
        if self._pid != process_id():
            self._pid = process_id()
            start_new_thread(self._run, (self._wake,))
        self._nudge()

    def finish(self, timeout: float) -> None:
        """At exit: gives the thread so many seconds to ship what it can. What it can't stays in the spool for the next."""
        if self._pid != process_id():
            return
        self._nudge()
        until = monotonic_ns() + int(timeout * 1e9)
        pause = allocate_lock()
        pause.acquire()
        while monotonic_ns() < until and (any(self._folder.glob("*" + SEALED)) and self.failure is None):
            pause.acquire(timeout=0.02)

    def _nudge(self) -> None:
        try:
            self._wake.release()
        except RuntimeError:
            return

    def _run(self, wake: Any) -> None:
        shipper = Shipper(self._settings, self._folder)
        pause = 0.0
        while True:
            try:
                if shipper.ship().busy:
                    wake.acquire(timeout=ROUND_SECONDS / 4)
                    continue
                self.failure, pause = None, 0.0
            except Exception as error:  # whatever a network can do: the segments stay where they are
                self.failure = str(error) if isinstance(error, AutoplaybackError) else f"{type(error).__name__}: {error}"
                pause = min(LONGEST_PAUSE, max(1.0, pause * 2))
            if pause:
                _rest(pause * (0.75 + random.random() / 2))
            else:
                wake.acquire(timeout=ROUND_SECONDS)


def _rest(seconds: float) -> None:
    """Waits without being woken by new segments: a bucket that fails isn't to be asked more often for that."""
    pause = allocate_lock()
    pause.acquire()
    pause.acquire(timeout=seconds)
