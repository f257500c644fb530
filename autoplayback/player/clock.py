"""The clock of a replay: virtual, deterministic, and where the recording's was.

It stands at the recorded start, moves to each call's recorded end as that is answered, and is moved on by `time.sleep`, by
timeouts and by the timers of an event loop, which therefore don't wait (see `waits`). Each look at it moves it by a
microsecond, and by more in a loop that only looks, so that `while time.time() < deadline` ends. The same code on the same tape
thus sees the same times, to the last digit. Wall time is time-machine's, which C code such as `datetime.now` sees too; the
monotonic clocks go with it, never back.
"""

from __future__ import annotations

import os
import selectors
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from autoplayback.originals import allocate_lock, monotonic_ns, perf_counter_ns, sleep
from autoplayback.player import timeouts, waits
from autoplayback.player.waits import Waits

TICK = 1_000
"""Nanoseconds that a look at the clock moves it by."""
PATIENCE = 1_000
"""Looks without anything else happening, after which the tick doubles."""
IMPORTED, IMPORTING = 10**15, 60 * 10**9
"""What the monotonic clocks show as the service's import begins, and how long it counts as having taken when an operation starts:
the same in each worker, as differences of floats would otherwise differ in their last digits."""


def _time_machine() -> Any:
    """time-machine without pytest and dateutil, which it takes in where they are installed: 14 MB which each fork would copy."""
    hidden = [name for name in ("pytest", "dateutil.parser") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: not importable
    try:
        import time_machine
    finally:
        for name in hidden:
            del sys.modules[name]
    return time_machine


time_machine = _time_machine()

_running: Clock | None = None
_traveller: Any = None
"""time-machine's; None before the first tape. It stays, and is told the real time in between: setting it up takes longer than all
else that a tape's clock needs."""
_installed = False


def install() -> None:
    """Puts our functions into `time` and `selectors`, before the service's import: `from time import sleep` keeps what it has."""
    global _installed
    if _installed:
        return
    _installed = True
    replaced: dict[int, Any] = {}
    for name, real in (("monotonic", monotonic_ns), ("perf_counter", perf_counter_ns)):
        for function in _clocks(name, real):
            replaced[id(getattr(time, function.__name__))] = function
            setattr(time, function.__name__, function)
    replaced[id(time.sleep)] = slept = _sleeper()
    time.sleep = slept  # type: ignore[assignment]
    for kind in ("SelectSelector", "PollSelector", "EpollSelector", "KqueueSelector"):
        if (selector := getattr(selectors, kind, None)) is not None:
            selector.select = _waiter(selector.select)
    timeouts.install(_waits)
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and not module.__name__.startswith(("autoplayback", "time")):
            for name, value in list(vars(module).items()):
                if id(value) in replaced and callable(value):
                    setattr(module, name, replaced[id(value)])  # `from time import monotonic` of threading, queue and the like


def _waits() -> Waits | None:
    """The waits of the tape that is played; None where gevent has made greenlets of threads, which a real wait would stop."""
    clock = _running
    return clock.waits if clock is not None and threading._allocate_lock is allocate_lock else None  # type: ignore[attr-defined]


def _clocks(name: str, real: Callable[[], int]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    installed = real()

    def in_ns() -> int:
        clock = _running
        return IMPORTED + real() - installed if clock is None else IMPORTED + IMPORTING + clock.look() - clock.started

    def in_seconds() -> float:
        return in_ns() / 1e9

    in_seconds.__name__ = in_seconds.__qualname__ = name
    in_ns.__name__ = in_ns.__qualname__ = f"{name}_ns"
    return in_seconds, in_ns


def _sleeper() -> Callable[[float], None]:
    def slept(seconds: float, /) -> None:
        found = _waits()
        if found is None or seconds <= 0:
            sleep(seconds)
            return
        found.timed(waits.nothing, seconds)

    slept.__name__ = slept.__qualname__ = "sleep"
    slept.__doc__ = time.sleep.__doc__
    return slept


def _waiter(plain: Callable[..., Any]) -> Callable[..., Any]:
    """An event loop with nothing to do waits for its next timer here: then the timer's time has come."""

    def select(self: Any, timeout: float | None = None) -> Any:
        found = _waits()
        if found is None or timeout is None or timeout <= 0:
            return plain(self, timeout)
        return timeouts.ready(found, lambda seconds: plain(self, seconds), timeout + 1e-9)  # loops ask for a whole clock's tick

    select.__doc__ = plain.__doc__
    return select


class Clock:
    """The time of one replay, while it lasts."""

    def __init__(self, started: int, environment: Mapping[str, Any]) -> None:
        """`started` is the recorded start, in ns since the epoch; the time zone is the recorded one's."""
        self.started = started
        self.now = started
        """Nanoseconds since the epoch, by this clock; to look here doesn't move it."""
        zone = environment.get("tz")
        self._zone = zone if isinstance(zone, str) else None
        self._looks = 0
        self._lock = allocate_lock()
        self.waits = Waits(lambda: self.now, self._reach)

    def start(self) -> None:
        """From now on it is the recorded start."""
        global _running, _traveller
        if self._zone is not None and os.environ.get("TZ") != self._zone:
            os.environ["TZ"] = self._zone
            if hasattr(time, "tzset"):
                time.tzset()
        if _traveller is None:
            _traveller = time_machine.travel(0, tick=False).start()
        _traveller.time_ns = self.look
        _running = self

    def look(self) -> int:
        """What time it is; a moment later than at the last look."""
        with self._lock:
            self._looks += 1
            self.now += TICK << min(self._looks // PATIENCE, 40)
            return self.now

    def reach(self, since_start: int) -> None:
        """Moves on to an instant of the recording, in ns since its start; never back."""
        self._reach(self.started + since_start)

    def _reach(self, instant: int) -> None:
        with self._lock:
            self._looks = 0
            self.now = max(self.now, instant)

    def stop(self) -> None:
        """Back to the real clocks."""
        global _running
        _running = None
        if _traveller is not None:
            _traveller.time_ns = time_machine.escape_hatch.time.time_ns
