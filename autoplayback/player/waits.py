"""Waits with a timeout: during a replay they take no real time, and end the same way each time.

A wait ends by what was waited for; or by its time, once nothing else in the process can go on: then the wait whose time comes
first on the virtual clock ends, and the clock moves there. Whether another thread can go on the kernel tells: one that
stands still in it, switches no more and holds no other up isn't going to. So a timeout means what it meant in production,
where the other side took longer, and never that this machine is slow today.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from time import process_time_ns
from typing import Any

from autoplayback.originals import allocate_lock, monotonic_ns, sleep
from autoplayback.player import seccomp

Attempt = Callable[[float], Any]
"""Really waits for at most so many seconds; what it gives is true where what was waited for has come."""

TASKS = "/proc/self/task"
FIRST, LONGEST = 0.00005, 0.002
"""Seconds between two looks at the other threads: two which find the same, and nobody running, say that nothing will change."""
IDLE = 0.05
"""Seconds between two looks at whether it is one's turn to look, if nobody says so before."""
TURN = 0.25
"""Seconds of processor time after which a call is answered though another thread still computes: it may wait for the answer."""
RUNTIME = 1 << 20
"""Bytes of the interpreter's state, at most."""
ASKING = frozenset(number for number, name in seccomp.NAMES.items() if name in {*seccomp.ASKED, "open", "openat"})
"""System calls in which a thread waits for the supervisor, who will let it go on."""


class _Waiter:
    """A thread that waits. Where only time can end that, it stands at a gate, which is opened when it is its turn to look."""

    __slots__ = ("gate", "place")

    def __init__(self, place: tuple[Any, ...], gated: bool) -> None:
        self.place = place
        self.gate = allocate_lock() if gated else None
        if self.gate is not None:
            self.gate.acquire()


class Waits:
    """The waits of one replay, on its clock."""

    def __init__(self, now: Callable[[], int], reach: Callable[[int], None]) -> None:
        """`now` gives the virtual time, `reach` moves it on to an instant; both in ns since the epoch."""
        self._now = now
        self._reach = reach
        self._lock = allocate_lock()
        self._waiting: dict[int, _Waiter] = {}
        self._number = count().__next__
        self._changes = 0
        self._files: dict[int, tuple[int, int | None]] = {}
        self._folder: int | None = None

    def timed(self, attempt: Attempt, timeout: float) -> bool:
        """Waits for something, for so many seconds of virtual time; whether it came."""
        deadline = self._now() + int(timeout * 1e9)
        if self._until(attempt, (1, deadline, self._number()), timeout):
            return True
        self._reach(deadline)
        return bool(attempt(0))

    def turn(self, *order: Any) -> None:
        """Waits until every other thread stands still, those with a lower `order` having had their turn."""
        self._until(nothing, (0, *order, self._number()), TURN)

    def reached(self, instant: int) -> None:
        """Waits until it is that time, as far as other threads have something to do before. Right after a `turn`: since then
        nobody else could go on, so if nobody else's time comes before, there is nothing to look for."""
        place = (1, instant, self._number())
        first = self._first()
        if first is not None and first.place < place:
            self._until(nothing, place, TURN)
        self._reach(instant)

    def others(self) -> bool:
        """Whether another thread waits for its time to come."""
        return bool(self._waiting) and any(thread != threading.get_native_id() for thread in self._waiting)

    def alone(self) -> bool:
        """Whether this process has no other thread, of Python's or of a library's."""
        return len(self._threads()) <= 1

    def _until(self, attempt: Attempt, place: tuple[Any, ...], patience: float) -> bool:
        """Whether the attempt succeeded before it was this wait's time; `patience` bounds it, in seconds that others computed.

        One thread looks at the others: the one whose time comes first. The rest stand still until it is theirs.
        """
        if attempt(0):
            return True
        if self.alone():
            return bool(attempt(0))  # once more: whoever was there a moment ago may have done it and ended
        spent = process_time_ns if self._folder is not None else monotonic_ns
        seen, pause, until = None, FIRST, None
        with self._registered(_Waiter(place, attempt is nothing)) as waiter:
            while True:
                first = self._first() is waiter
                if waiter.gate is not None:
                    waiter.gate.acquire(True, pause if first else IDLE)
                elif attempt(pause if first else LONGEST):
                    return True
                if not first:
                    seen, pause, until = None, FIRST, None
                    continue
                looked = self._look()
                if (looked is not None and looked == seen) and self._first() is waiter:
                    return False
                if until is None:
                    until = spent() + int(min(patience, 1e6) * 1e9)
                elif spent() >= until:
                    return False
                seen, pause = looked, min(pause * 2, LONGEST)

    @contextmanager
    def _registered(self, waiter: _Waiter) -> Iterator[_Waiter]:
        me = threading.get_native_id()
        before = self._waiting.get(me)  # a signal's handler may wait inside a wait
        with self._lock:
            self._waiting[me] = waiter
            self._changes += 1
        try:
            yield waiter
        finally:
            with self._lock:
                self._changes += 1
                if before is None:
                    del self._waiting[me]
                else:
                    self._waiting[me] = before
                following = self._first()
                if following is not None and following.gate is not None and following.gate.locked():
                    following.gate.release()

    def _first(self) -> _Waiter | None:
        return min(list(self._waiting.values()), key=lambda waiter: waiter.place, default=None)

    def _look(self) -> tuple[Any, ...] | None:
        """What the other threads have come to; None where one of them is running, or this can't be told."""
        me, found = threading.get_native_id(), [self._changes]
        for thread in self._threads():
            waiter = self._waiting.get(thread)
            if thread == me or (waiter is not None and waiter.gate is not None):
                continue
            state = self._state(thread)
            if state is None:
                return None
            # One that waits here, too, looks up now and then: that isn't getting on.
            found.append(thread if waiter is not None else (thread, state))  # type: ignore[arg-type]
        return tuple(found)

    def _threads(self) -> list[int]:
        if self._folder is None:
            try:
                self._folder = os.open(TASKS, os.O_RDONLY | os.O_DIRECTORY)
            except OSError:
                return [thread.native_id or 0 for thread in threading.enumerate()]
        with self._lock:  # two threads would share the place in the folder to which each has come
            return [int(name) for name in os.listdir(self._folder)]

    def _state(self, thread: int) -> bytes | None:
        """How often a thread has been switched, where it stands still; None where it runs."""
        try:
            files = self._files.get(thread)
            if files is None:
                files = self._files[thread] = (os.open(f"{TASKS}/{thread}/status", os.O_RDONLY), _opened(thread))
            status = os.pread(files[0], 4096, 0)
            doing = os.pread(files[1], 256, 0) if files[1] is not None else b""
        except OSError:
            self._forget(thread)
            return b"gone" if self._folder is not None else None
        if b"State:\tS" not in status or doing.startswith(b"running"):
            return None
        call, _, arguments = doing.partition(b" ")
        if call.isdigit() and int(call) in ASKING:
            return None
        if arguments.startswith(b"0x") and int(arguments.split(b" ", 1)[0], 16) in runtime():
            return None  # it waits for the interpreter's lock, which is in use or will be given to it in a moment
        return status[status.rfind(b"voluntary_ctxt_switches") :] + status[status.find(b"\nvoluntary_ctxt_switches") :]

    def _forget(self, thread: int) -> None:
        for file in self._files.pop(thread, ()):
            if file is not None:
                os.close(file)


@cache
def runtime() -> range:
    """The addresses of the interpreter's own state, with the lock that threads take in turn; none where they can't be found."""
    try:
        start = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
        with open("/proc/self/maps") as file:
            heap = next((int(line.split("-")[0], 16) for line in file if line.rstrip().endswith("[heap]")), 0)
    except (ValueError, OSError):
        return range(0)
    return range(start, min(start + RUNTIME, heap) if heap > start else start + RUNTIME)


def _opened(thread: int) -> int | None:
    try:
        return os.open(f"{TASKS}/{thread}/syscall", os.O_RDONLY)
    except OSError:
        return None


def nothing(seconds: float) -> bool:
    """Only time can end this."""
    if seconds:
        sleep(seconds)
    return False
