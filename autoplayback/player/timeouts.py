"""What can wait with a timeout, put behind the waits of the tape that is played: conditions (and what is made of them: events,
queues, futures), joins, locks, simple queues and polls."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable
from typing import Any

from autoplayback.originals import allocate_lock
from autoplayback.player.waits import Attempt, Waits, runtime
from autoplayback.tape.state import STANDS_IN


def install(running: Callable[[], Waits | None]) -> None:
    """Puts what can wait with a timeout behind `running`'s waits: what it gives while a tape is played, else nothing changes."""
    runtime()
    _conditions(running)
    _joins(running)
    _locks(running)
    _queues(running)
    _polls(running)


def _conditions(running: Callable[[], Waits | None]) -> None:
    """Events, semaphores, barriers, queues and futures are made of conditions."""
    plain = threading.Condition.wait

    def wait(self: Any, timeout: float | None = None) -> bool:
        waits = running()
        if waits is None or timeout is None or timeout <= 0 or not self._is_owned():
            return plain(self, timeout)
        waiter = allocate_lock()
        waiter.acquire()
        self._waiters.append(waiter)
        saved = self._release_save()
        notified = False
        try:
            notified = waits.timed(_acquiring(waiter), timeout)
        finally:
            self._acquire_restore(saved)
            if not notified and waiter in self._waiters:
                self._waiters.remove(waiter)
        return notified

    wait.__doc__ = plain.__doc__
    threading.Condition.wait = wait  # type: ignore[method-assign]


def _acquiring(lock: Any) -> Attempt:
    return lambda seconds: lock.acquire(True, seconds) if seconds else lock.acquire(False)


def _joins(running: Callable[[], Waits | None]) -> None:
    plain = threading.Thread.join

    def join(self: threading.Thread, timeout: float | None = None) -> None:
        waits = running()
        if waits is None or timeout is None or timeout <= 0 or self is threading.current_thread() or not self.is_alive():
            plain(self, timeout)
            return

        def ended(seconds: float) -> bool:
            plain(self, seconds)
            return not self.is_alive()

        waits.timed(ended, timeout)

    join.__doc__ = plain.__doc__
    threading.Thread.join = join  # type: ignore[method-assign]


def _locks(running: Callable[[], Waits | None]) -> None:
    """A lock can't be subclassed: one that the service makes is held by a stand-in, which looks like it."""
    for name in ("Lock", "RLock"):
        make = getattr(threading, name)
        real = make()

        class Held:
            __slots__ = ("__weakref__", "_lock", "release")

            def __reduce_ex__(self, protocol: Any) -> Any:
                return self._lock.__reduce_ex__(protocol)

            def __init__(self, make: Any = make) -> None:
                self._lock = make()
                self.release = self._lock.release

            def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
                if not blocking or timeout <= 0 or (waits := running()) is None:
                    return bool(self._lock.acquire(blocking, timeout))
                return waits.timed(_acquiring(self._lock), timeout)

            def __enter__(self) -> bool:
                return bool(self._lock.acquire())

            def __exit__(self, *_: object) -> None:
                self.release()

            def __getattr__(self, name: str) -> Any:
                return getattr(self._lock, name)

            def __repr__(self) -> str:
                return repr(self._lock)

        Held.__module__, Held.__qualname__, Held.__name__ = type(real).__module__, type(real).__qualname__, type(real).__name__
        setattr(Held, STANDS_IN, True)
        setattr(threading, name, Held)


def _queues(running: Callable[[], Waits | None]) -> None:
    """`queue.SimpleQueue` is one of C's; the others are made of conditions."""
    import queue

    plain = queue.SimpleQueue

    class SimpleQueue(plain):  # type: ignore[valid-type,misc]
        __slots__ = ()

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            if not block or timeout is None or timeout <= 0 or (waits := running()) is None:
                return super().get(block, timeout)
            got: list[Any] = []

            def one(seconds: float) -> bool:
                try:
                    got.append(plain.get(self, bool(seconds), seconds or None))
                except queue.Empty:
                    return False
                return True

            if waits.timed(one, timeout):
                return got[0]
            raise queue.Empty

    SimpleQueue.__module__, SimpleQueue.__qualname__ = plain.__module__, plain.__qualname__
    queue.SimpleQueue = SimpleQueue  # type: ignore[misc]


def _polls(running: Callable[[], Waits | None]) -> None:
    plain = select.select

    def selected(rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None, /) -> Any:
        waits = running()
        if waits is None or timeout is None or timeout <= 0:
            return plain(rlist, wlist, xlist, timeout)
        return ready(waits, lambda seconds: plain(rlist, wlist, xlist, seconds), timeout, any)

    selected.__name__ = selected.__qualname__ = "select"
    selected.__doc__ = plain.__doc__
    select.select = selected

    for name, unit in (("poll", 1000), ("epoll", 1), ("devpoll", 1000)):
        if (make := getattr(select, name, None)) is not None:
            setattr(select, name, _poller(make, unit, running))


def _poller(make: Any, unit: int, running: Callable[[], Waits | None]) -> Any:
    class Poller:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._poll = make(*args, **kwargs)

        def poll(self, timeout: float | None = None, *more: Any) -> Any:
            waits = running()
            if waits is None or timeout is None or timeout <= 0:
                return self._poll.poll(timeout, *more)
            return ready(waits, lambda seconds: self._poll.poll(seconds * unit, *more), timeout / unit)

        def __enter__(self) -> Any:
            self._poll.__enter__()
            return self

        def __exit__(self, *exception: object) -> Any:
            return self._poll.__exit__(*exception)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._poll, name)

    if hasattr(make, "fromfd"):
        Poller.fromfd = staticmethod(make.fromfd)  # type: ignore[attr-defined]
    Poller.__module__, Poller.__qualname__, Poller.__name__ = "select", make.__name__, make.__name__
    return Poller


def ready(waits: Waits, poll: Callable[[float], Any], timeout: float, some: Callable[[Any], bool] = bool) -> Any:
    """What `poll` found within the timeout."""
    found: list[Any] = [None]

    def attempt(seconds: float) -> bool:
        found[0] = poll(seconds)
        return some(found[0])

    waits.timed(attempt, timeout)
    return found[0]
