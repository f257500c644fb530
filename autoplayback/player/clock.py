"""The clock of a replay: it starts where the recording did, runs on, and is moved to each call's recorded end as it is answered.

Wall time is time-machine's, which C code such as `datetime.now` sees too. The monotonic clocks jump by the same amounts, so
that code which measures a recorded call of two seconds measures two seconds; they never go back, nor does the wall clock.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from autoplayback.originals import monotonic_ns, perf_counter_ns


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

_ahead = 0
"""Nanoseconds which the monotonic clocks are ahead of the real ones."""
_installed = False


def install() -> None:
    """Puts our monotonic clocks into `time`; before the service is imported: `from time import monotonic` keeps what it finds."""
    global _installed
    if _installed:
        return
    _installed = True

    def monotonic() -> float:
        return (monotonic_ns() + _ahead) / 1e9

    def monotonic_in_ns() -> int:
        return monotonic_ns() + _ahead

    def perf_counter() -> float:
        return (perf_counter_ns() + _ahead) / 1e9

    def perf_counter_in_ns() -> int:
        return perf_counter_ns() + _ahead

    for name, clock in (
        ("monotonic", monotonic),
        ("monotonic_ns", monotonic_in_ns),
        ("perf_counter", perf_counter),
        ("perf_counter_ns", perf_counter_in_ns),
    ):
        clock.__name__ = clock.__qualname__ = name
        setattr(time, name, clock)


class Clock:
    """The time of one replay, while it lasts."""

    def __init__(self, started: int, environment: Mapping[str, Any]) -> None:
        """`started` is the recorded start, in ns since the epoch; the time zone is the recorded one's."""
        self._started = started
        zone = environment.get("tz")
        self._zone = zone if isinstance(zone, str) else None
        self._travel: Any = None
        self._traveller: Any = None

    def start(self) -> None:
        """From now on it is the recorded start."""
        if self._zone is not None and os.environ.get("TZ") != self._zone:
            os.environ["TZ"] = self._zone
            if hasattr(time, "tzset"):
                time.tzset()
        self._travel = time_machine.travel(0, tick=True)
        self._traveller = self._travel.start()
        self._traveller.shift(self._started // 10**9)
        self._traveller.shift(self._started % 10**9 / 1e9)
        time.time_ns()  # time-machine counts from the first look at the clock

    def reach(self, since_start: int) -> None:
        """Moves on to an instant of the recording, in ns since its start; never back."""
        if self._traveller is None:
            return
        global _ahead
        ahead = self._started + since_start - time.time_ns()
        if ahead > 0:
            self._traveller.shift(ahead / 1e9)
            _ahead += ahead

    def stop(self) -> None:
        """Back to the real wall clock; the monotonic ones stay ahead, since they may never go back."""
        if self._travel is not None:
            self._travel.stop()
            self._travel = self._traveller = None
