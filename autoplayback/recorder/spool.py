"""Where finished operations go: a queue in memory, and a thread of ours that writes it to disk.

`offer` and `lose` are called on the service's threads. They take no lock, since a signal handler, a destructor or a fork may
come at any instruction of theirs: `deque.append` is atomic, and the counts of bytes, which aren't, are set right whenever the
queue runs empty. Everything else belongs to the thread, which exists from a process' first tape on and not before.

After a fork the child begins anew with an empty queue: what was in it is the parent's, whose thread will write it.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

# All that the thread needs is imported before there is one: a fork while it imported would leave the child a lock held for good.
from autoplayback.cassettes.losses import LEFT_OUT
from autoplayback.originals import allocate_lock, monotonic_ns, process_id, start_new_thread
from autoplayback.recorder import endings
from autoplayback.recorder.writer import Finish, Writer
from autoplayback.tape.draft import Draft

if TYPE_CHECKING:
    from autoplayback.config.settings import Settings

GATHER_SECONDS = 0.05
"""How long tapes wait for others before the thread writes them together."""
COUNT_SECONDS = 1.0
"""How often the counts of what sampling leaves out are put on disk, while they change."""
EXIT_SECONDS = 0.9
"""How long the process' exit may be held up."""
BATCH_TAPES = 64
BATCH_BYTES = 1 << 20
TAPE_BYTES, CALL_BYTES = 1500, 400
"""What a draft and each of its calls weigh in memory besides their encoded values."""
MEMORY_FULL = "memory full (limits.queue_mb)"
UNWRITTEN = "not written when the process ended"


class Spool:
    """Takes the drafts of one process and, forked, of each of its children. Never raises, never blocks."""

    _idle: bool
    """Whether the thread sleeps until it is woken, with no count to look after."""

    def __init__(self, settings: Settings, folder: Path, *, finish: Finish | None = None,
                 seal_seconds: float = 300.0, shipper: Any = None) -> None:
        """`finish` sees each payload before it leaves the process and may give another tape in its place
        (redaction); `shipper` hears of sealed segments.

        Nothing is opened or started yet.
        """
        self.folder = folder.absolute()
        self.left_out: dict[str, int] = {}
        """How many operations sampling left out, by reason: counted by the sampler, kept with the losses."""
        self._settings = settings
        self._finish = finish
        self._seal_seconds = seal_seconds
        self._shipper = shipper
        self._memory = settings.limits.queue_mb << 20
        self._hurry = self._memory // 4
        self._reset()
        _spools.add(self)
        _watch_forks()

    def offer(self, draft: Draft) -> bool:
        """Takes over a finished draft; False where there is no room for it, which is counted."""
        try:
            if self._pid != process_id():
                self._start()
            weight = draft.size + TAPE_BYTES + CALL_BYTES * len(draft.calls)
            if self._queued + weight > self._memory:
                self.lose(MEMORY_FULL)
                return False
            self._queued += weight
            self._queue.append((weight, draft))
            if self._asleep or self._queued > self._hurry:
                self._wake_up()
            if self._exiting:
                self.close(0.2)
            if self._notices:
                self._say()
            return True
        except Exception as error:
            self._unstarted(error)
            return False

    def lose(self, reason: str) -> None:
        """Counts a tape that somebody had to drop, and why."""
        try:
            if len(self._dropped) < 1_000_000:
                self._dropped.append(reason)
            if self._pid != process_id():
                self._start()
            if self._asleep:
                self._wake_up()
            if self._notices:
                self._say()
        except Exception as error:
            self._unstarted(error, lost=0)

    def left(self) -> None:
        """Hears that sampling left an operation out. The count is on disk within a second, also where nothing else is."""
        try:
            if self._pid != process_id():
                self._start()
            elif self._idle:
                self._idle = False
                self._wake_up()
        except Exception as error:
            self._unstarted(error, lost=0)

    def pressure(self) -> float:
        """How full the memory or the spool is, whichever is fuller: from 0 to 1, where tapes are dropped."""
        writer = self._writer
        return max(self._queued / self._memory if self._memory else 1.0, writer.used if writer is not None else 0.0)

    def losses(self) -> dict[str, int]:
        """What this process has dropped so far, by reason."""
        return dict(self._lost)

    def flush(self, timeout: float = 5.0) -> bool:
        """Waits until everything offered so far is in a file; False where that takes longer than `timeout` seconds."""
        return self._ask(seal=False, timeout=timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Like `flush`, and seals the segment. A later `offer` opens another."""
        return self._ask(seal=True, timeout=timeout)

    def _ask(self, *, seal: bool, timeout: float) -> bool:
        if self._pid != process_id():  # nothing was offered in this process
            return True
        request = _Request(seal)
        self._queue.append((0, request))
        self._wake_up()
        return request.done.acquire(timeout=max(0.0, timeout))

    def _reset(self) -> None:
        self._pid = -1
        self._queue: deque[tuple[int, Draft | _Request]] = deque()
        self._queued = 0
        self._dropped: deque[str] = deque()
        self._lost: dict[str, int] = {}
        self._notices: deque[str] = deque()
        self._asleep = False
        self._idle = False
        self._exiting = False
        self._registered = False
        self._hindered = False
        self._wake = allocate_lock()
        self._wake.acquire()
        self._starting = allocate_lock()
        self._writer: Writer | None = None

    def _forked(self) -> None:
        """In the child: forgets the parent's queue, thread and files."""
        writer = self._writer
        self._reset()
        self.left_out.clear()  # those are the parent's to tell
        if writer is not None:
            writer.abandon()
        if self._shipper is not None:
            self._shipper.forked()

    def _start(self) -> None:
        """Starts this process' thread. Where two come at once the second goes on: its tape is in the queue."""
        starting = self._starting
        if not starting.acquire(False):
            return
        try:
            if self._pid not in (-1, process_id()):  # a fork which Python wasn't told of
                self._forked()
            if self._pid == -1:
                if not self._registered:
                    self._registered = True
                    self._watch_endings()
                start_new_thread(self._run, (self._wake,))
                self._pid = process_id()
        finally:
            starting.release()

    def _unstarted(self, error: Exception, lost: int = 1) -> None:
        """The thread couldn't be started (a bound on threads): it is tried again with the next tape, which may revive it."""
        try:
            reason = f"fault: {type(error).__name__}: {error}"[:100]
            if lost and len(self._dropped) < 1_000_000:
                self._dropped.append(reason)
            if not self._hindered:
                self._hindered = True
                self._notices.append(reason)
                self._say()
        except Exception:
            return

    def _wake_up(self) -> None:
        self._asleep = False
        try:
            self._wake.release()
        except RuntimeError:  # somebody else just did
            return

    def _run(self, wake: Any) -> None:
        """The thread. `wake` is the process' own: after a fork in the midst of things, no one shares it."""
        try:
            writer = self._writer = Writer(self._settings, self.folder, self._finish, self._count, self._seal_seconds)
        except Exception as error:
            self._count(f"fault: {type(error).__name__}", 1)
            return
        due = 0.0
        drained = 0
        told: dict[str, int] = {}
        gather = 0.0 if endings.sudden() else GATHER_SECONDS
        while True:
            try:
                if not self._queue and not self._dropped:
                    self._queued = 0
                    told, before = self._told(), told
                    self._idle = told == before
                    self._asleep = True
                    if not self._queue and not self._dropped:
                        wake.acquire(timeout=max(0.001, min(due, 3600.0 if self._idle else COUNT_SECONDS)))
                    self._asleep = self._idle = False
                busy = monotonic_ns() - drained < gather * 1e9
                if busy and self._queue and not self._exiting and not self._requested():
                    # Not after a pause: the last request before a server's end, which may skip atexit, is written at once.
                    wake.acquire(timeout=gather)
                self._drain(writer)
                drained = monotonic_ns()
                due = writer.rest(self._told())
            except Exception as error:
                self._count(f"fault: {type(error).__name__}", 1)
                wake.acquire(timeout=GATHER_SECONDS)

    def _requested(self) -> bool:
        """Whether somebody waits for the end of the queue."""
        try:
            return isinstance(self._queue[-1][1], _Request)
        except IndexError:
            return False

    def _drain(self, writer: Writer) -> None:
        queue, sealed = self._queue, writer.sealed
        self._tally()
        while queue:
            batch: list[Draft] = []
            total = 0
            request: _Request | None = None
            while queue and len(batch) < BATCH_TAPES and total < BATCH_BYTES:
                weight, item = queue.popleft()
                if isinstance(item, _Request):
                    request = item
                    break
                batch.append(item)
                total += weight
            try:
                if batch:
                    writer.write(batch)
            except Exception as error:
                self._count(f"fault: {type(error).__name__}", len(batch))
            finally:
                self._queued -= total
            writer.count(self._told())
            if request is not None:
                self._tally()
                if request.seal:
                    writer.close(self._told())
                else:
                    writer.rest(self._told())
                request.done.release()
        if writer.sealed != sealed and self._shipper is not None:
            self._shipper.notify()

    def _told(self) -> dict[str, int]:
        """What is put on disk beside the tapes: what was lost, and what sampling left out on purpose."""
        if not self.left_out:
            return self._lost
        return {**self._lost, **{f"{LEFT_OUT}{why}": count for why, count in dict(self.left_out).items()}}

    def _tally(self) -> None:
        for _ in range(len(self._dropped)):
            self._count(self._dropped.popleft(), 1)

    def _count(self, reason: str, tapes: int) -> None:
        if tapes <= 0:
            return
        if reason not in self._lost:
            self._notices.append(reason)
        self._lost[reason] = self._lost.get(reason, 0) + tapes

    def _say(self) -> None:
        """Logs each reason once, on a thread of the service: ours must not hold a lock of logging while somebody forks."""
        try:
            reason = self._notices.popleft()
        except IndexError:
            return
        logging.getLogger("autoplayback").warning(
            "not every operation is recorded: %s. The service isn't affected; `autoplayback list` shows how many.", reason)

    def _watch_endings(self) -> None:
        exit, leave = weakref.WeakMethod(self._exit), weakref.WeakMethod(self.flush)

        def end() -> None:
            if call := exit():
                call()

        def left() -> None:
            if call := leave():
                call(EXIT_SECONDS)

        endings.watch(end, left)

    def _exit(self) -> None:
        if self._pid == -1 and self._dropped:
            self._give_up()
        if self._pid != process_id() or self._exiting:
            return
        self._exiting = True
        started = monotonic_ns()
        if not self.close(EXIT_SECONDS):
            self._give_up()
        while self._notices:
            self._say()
        if self._shipper is not None:
            self._shipper.finish(EXIT_SECONDS - (monotonic_ns() - started) / 1e9)

    def _give_up(self) -> None:
        """The process ends before its thread is through: what waits is lost, and counted in a file of its own."""
        from autoplayback.cassettes.losses import reserve

        writer = self._writer
        waiting = writer.waiting if writer is not None else 0
        while self._queue:
            try:
                waiting += isinstance(self._queue.popleft()[1], Draft)
            except IndexError:
                break
        lost: dict[str, int] = {UNWRITTEN: waiting} if waiting else {}
        while self._dropped:
            try:
                reason = self._dropped.popleft()
                lost[reason] = lost.get(reason, 0) + 1
            except IndexError:
                break
        try:
            counts = reserve(self.folder)
            counts.write(lost)
            counts.close(keep=True)
        except OSError:
            return


class _Request:
    """A place in the queue which somebody waits for."""

    __slots__ = ("done", "seal")

    def __init__(self, seal: bool) -> None:
        self.seal = seal
        self.done = allocate_lock()
        self.done.acquire()


def for_url(settings: Settings, finish: Finish | None = None) -> Spool:
    """The spool for `settings.tapes`: the folder itself, or for a bucket a folder of this machine that is shipped from."""
    from autoplayback.errors import CassetteError

    url = settings.tapes
    if url.startswith("s3://"):
        from autoplayback.cassettes.places import spool_folder
        from autoplayback.recorder.shipper import ShipperThread

        folder = spool_folder(url)
        shipper = ShipperThread(settings, folder) if settings.s3.ship == "thread" else None
        return Spool(settings, folder, finish=finish, seal_seconds=60.0, shipper=shipper)
    scheme, colon, rest = url.partition("://")
    if colon and scheme != "file":
        raise CassetteError(url, "a recorder writes to a folder or to s3://bucket/prefix; this is neither")
    return Spool(settings, Path(rest if colon else url).expanduser(), finish=finish)


_spools: weakref.WeakSet[Spool] = weakref.WeakSet()
_watching = False


def _watch_forks() -> None:
    global _watching
    if not _watching:
        os.register_at_fork(after_in_child=_forked)
        _watching = True


def _forked() -> None:
    for spool in list(_spools):
        spool._forked()
