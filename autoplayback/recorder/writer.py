"""What the spool's thread does with finished drafts: render, redact, compress, write, seal. Never on a request's thread."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from autoplayback.cassettes import losses
from autoplayback.cassettes.losses import LossFile
from autoplayback.cassettes.openfile import OPEN, SEALED, OpenSegment
from autoplayback.cassettes.packing import drafted_facts, facts
from autoplayback.config.settings import Settings
from autoplayback.originals import monotonic_ns
from autoplayback.tape import payload
from autoplayback.tape.draft import Draft
from autoplayback.tape.model import Tape
from autoplayback.tape.payload import Rendered
from autoplayback.tape.segment import Entry, EntryWriter, Facts

SEAL_BYTES = 8 << 20
SYNC_BYTES = 1 << 20
SECOND = 1_000_000_000
PATIENCE = SECOND // 20

DISK_FULL = "disk full"
NOT_WRITABLE = "tapes folder not writable"
REMOVED = "tapes folder removed"
SPOOL_FULL = "spool full (limits.spool_mb)"
TOO_LARGE = "tape too large (limits.tape_mb)"
NOT_RENDERED = "rendering failed"
NOT_REDACTED = "redaction failed"
_REASONS = {errno.ENOSPC: DISK_FULL, errno.EDQUOT: DISK_FULL, errno.EACCES: NOT_WRITABLE, errno.EPERM: NOT_WRITABLE,
            errno.EROFS: NOT_WRITABLE, errno.ENOTDIR: NOT_WRITABLE, errno.EEXIST: NOT_WRITABLE,
            errno.ENOENT: REMOVED}

Finish = Callable[[Rendered], Tape | None]
"""Sees a tape's payload; gives another tape in its place, or None."""
Ready = tuple[Facts, list[bytes]]
"""A tape to be compressed: what it is found by, and its payload in pieces."""


class Writer:
    """The files of one process in the spool's folder. Belongs to the spool's thread alone.

    Nothing here raises for what a disk or a value can do: the tapes concerned are counted as lost, whole, through `lose`.
    """

    def __init__(self, settings: Settings, folder: Path, finish: Finish | None, lose: Callable[[str, int], None],
                 seal_seconds: float) -> None:
        self.folder = folder
        self.waiting = 0
        """How many drafts of the current `write` are in no file yet."""
        self.sealed = 0
        """How many segments it has sealed."""
        self.used = 0.0
        """The share of the folder's bytes that may be used, from 0 to 1 and beyond."""
        self._service = settings.service
        self._finish = finish
        self._lose = lose
        self._seal_after = int(seal_seconds * SECOND)
        self._tape_limit = settings.limits.tape_mb << 20
        self._folder_limit = settings.limits.spool_mb << 20
        self._measured = -SECOND
        self._bytes = 0
        self._entries = EntryWriter()
        self._segment: OpenSegment | None = None
        self._synced = monotonic_ns()
        self._losses: LossFile | None = None
        self._lost: Mapping[str, int] = {}

    def write(self, drafts: Sequence[Draft]) -> None:
        """Puts drafts into the open segment, in one write unless that takes long; sealing it where it has grown full."""
        ready: list[Ready] = []
        began = monotonic_ns()
        self.waiting = len(drafts)
        for done, draft in enumerate(drafts, 1):
            if (tape := self._finished(draft)) is not None:
                ready.append(tape)
            if monotonic_ns() - began > PATIENCE:  # large or full of secrets: what is ready doesn't wait for the rest
                self._put(ready, drafts)
                self.waiting = len(drafts) - done
                ready, began = [], monotonic_ns()
        self._put(ready, drafts)
        self.waiting = 0

    def _put(self, ready: list[Ready], drafts: Sequence[Draft]) -> None:
        entries = self._compressed(ready)
        if not entries:
            return
        self._measure()
        try:
            while entries:
                entries = self._append(entries, drafts[-1].environment)
        except OSError as error:
            self._lose(_REASONS.get(error.errno or 0, f"disk error: {error.strerror}"), len(entries))

    def rest(self, lost: Mapping[str, int]) -> float:
        """What is due by the clock: puts data on the disk itself, seals what is old, keeps the counts of `lost` tapes.

        Returns the seconds until it wants to be called again.
        """
        now = monotonic_ns()
        try:
            self._keep_losses(lost)
            if self._segment is None:
                return 1.0 if lost != self._lost else 3600.0
            if self._segment.unlinked():
                self._vanished()
                return 3600.0
            if now - self._segment.opened >= self._seal_after:
                self.seal()
                return 3600.0
            if self._segment.dirty and (now - self._synced >= SECOND or self._segment.dirty >= SYNC_BYTES):
                self._segment.sync()
                self._synced = now
            due = self._seal_after - (now - self._segment.opened)
            return (min(due, SECOND) if self._segment.dirty else due) / SECOND
        except OSError:
            return 1.0

    def seal(self) -> None:
        """Ends the open segment. Where the disk has no room for its index it stays as it is, for a reader to recover."""
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                if segment.unlinked():
                    self._lose(REMOVED, len(segment))
                    segment.abandon()
                elif segment.seal() is not None:
                    self.sealed += 1
            except OSError:
                return

    def close(self, lost: Mapping[str, int]) -> None:
        """Ends the segment and the file of counts.

        These are written before it too: sealing waits for the disk, and an exit doesn't wait for long.
        """
        self.count(lost)
        self.seal()
        try:
            self._keep_losses(lost)
            if self._losses is not None:
                self._losses.close(keep=bool(lost))
                self._losses = None
        except OSError:
            return

    def count(self, lost: Mapping[str, int]) -> None:
        """Puts the counts of lost tapes on disk, where they have changed."""
        try:
            self._keep_losses(lost)
        except OSError:
            return

    def abandon(self) -> None:
        """In a forked child: lets go of the parent's files without touching what they hold."""
        for file in (self._segment, self._losses):
            if file is not None:
                file.abandon()
        self._segment = self._losses = None

    def _compressed(self, ready: list[Ready]) -> list[Entry]:
        try:
            made = self._entries.entries(ready)
        except Exception as error:
            if len(ready) > 1:  # of one's making: it costs that tape
                return [entry for tape in ready for entry in self._compressed([tape])]
            self._lose(f"{NOT_RENDERED}: {type(error).__name__}", 1)
            return []
        kept = [entry for entry in made if len(entry.data) <= self._tape_limit]
        if len(kept) < len(made):
            self._lose(TOO_LARGE, len(made) - len(kept))
        return kept

    def _finished(self, draft: Draft) -> Ready | None:
        stage = NOT_RENDERED
        try:
            rendered = payload.drafted(draft)
            stage = NOT_REDACTED
            changed = self._finish(rendered) if self._finish is not None else None
            stage = NOT_RENDERED
            return (drafted_facts(draft), rendered.pieces) if changed is None else (facts(changed), [payload.dump(changed)])
        except Exception as error:  # of any value's making: it costs this tape
            self._lose(f"{stage}: {type(error).__name__}", 1)
            return None

    def _append(self, entries: list[Entry], environment: Mapping[str, object]) -> list[Entry]:
        """Writes what fits before the segment is full; what is left to write."""
        room = self._folder_limit - self._bytes
        if sum(len(entry.data) for entry in entries) > room:
            fitting = 0
            for entry in entries:
                if len(entry.data) > room:
                    break
                room -= len(entry.data)
                fitting += 1
            self._lose(SPOOL_FULL, len(entries) - fitting)
            entries = entries[:fitting]
            if not entries:
                return []
        if self._segment is not None and self._segment.unlinked():
            self._vanished()
        if self._segment is None:
            self._reserve_losses()
            self._segment = OpenSegment(self.folder, {"service": self._service, "host": str(environment.get("host", "")),
                                                      "code": str(environment.get("code") or "")})
        batch: list[Entry] = []
        size = self._segment.size
        for entry in entries:
            if batch and size >= SEAL_BYTES:
                break
            batch.append(entry)
            size += len(entry.data)
        before = self._segment.size
        try:
            kept = self._segment.append(batch)
        except OSError:  # not even cutting off a torn entry worked: this file is left as it is, to be recovered
            self._segment.abandon()
            self._segment = None
            raise
        self._bytes += self._segment.size - before
        if kept < len(batch):
            self._lose(DISK_FULL, len(entries) - kept)
            return []
        if self._segment.size >= SEAL_BYTES:
            self.seal()
        return entries[kept:]

    def _vanished(self) -> None:
        """Somebody removed the folder or the file under us: what was in it is gone, and a new one is made."""
        segment, self._segment = self._segment, None
        if segment is not None:
            self._lose(REMOVED, len(segment))
            segment.abandon()
        if self._losses is not None and self._losses.unlinked():
            self._losses.abandon()
            self._losses, self._lost = None, {}

    def _reserve_losses(self) -> None:
        if self._losses is None:
            self._losses = losses.reserve(self.folder)

    def _keep_losses(self, lost: Mapping[str, int]) -> None:
        if lost != self._lost:
            self._reserve_losses()
            assert self._losses is not None
            kept = dict(lost)
            self._losses.write(kept)
            self._lost = kept

    def _measure(self) -> None:
        """The folder's bytes, all processes' together: counted afresh each second, in between only our own are added."""
        now = monotonic_ns()
        if now - self._measured >= SECOND:
            self._measured = now
            total = 0
            try:
                with os.scandir(self.folder) as files:
                    for file in files:
                        if file.name.endswith((SEALED, OPEN)):
                            try:
                                total += file.stat().st_size
                            except FileNotFoundError:
                                continue
            except OSError:
                total = 0
            self._bytes = total
        self.used = self._bytes / max(1, self._folder_limit)
