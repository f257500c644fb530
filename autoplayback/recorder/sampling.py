"""Which operations become tapes: decided at their start where that is possible, at their end where the config asks for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from hashlib import blake2b

from autoplayback.config.notations import Condition, condition
from autoplayback.config.settings import Sampling
from autoplayback.originals import monotonic_ns, random_bytes
from autoplayback.tape.model import Scalar

_MINUTE = 60_000_000_000
_KEYS = 100_000
"""Keys whose budgets are remembered in a minute; what comes after shares one budget, so memory stays bounded."""
_EASY = 0.5
"""The pressure up to which everything is recorded; from there on the rate falls, to nothing just before tapes are lost."""
_HARD = 0.95


class Sampler:
    """The config's `sampling:` in force. Called on the service's threads: takes no lock, and costs nothing where all is kept."""

    def __init__(self, sampling: Sampling, pressure: Callable[[], float] | None = None) -> None:
        """`pressure` says how full queue and spool are, from 0 to 1."""
        self.needs_tail = bool(sampling.always)
        self.left_out: dict[str, int] = {}
        """How many operations were not recorded, by reason."""
        self._rate = sampling.rate
        self._by = sampling.by
        self._budget = sampling.per_minute
        self._always: list[Condition] = [condition(text) for text in sampling.always]
        self._pressure = pressure or _none
        self._minute = -1
        self._used: dict[str, Callable[[], int]] = {}

    def head(self, operation: str, metadata: Mapping[str, Scalar]) -> bool:
        """Whether to record an operation, by what its entry tells. A key not known yet leaves the decision to `tail`."""
        share = self._rate
        pressure = self._pressure()
        if pressure > _EASY:
            share *= max(0.0, (_HARD - pressure) / (_HARD - _EASY))
        key = metadata.get(self._by) if self._by is not None else None
        if share < 1.0 and (self._by is None or key is not None) and _draw(key) >= share:
            return self._out("rate" if share == self._rate else "back-off")
        if self._budget is not None and (self._by is None or key is not None):
            return self._within_budget(key)
        return True

    def tail(self, operation: str, metadata: Mapping[str, Scalar], outcome: str, seconds: float, *, chosen: bool) -> bool:
        """Whether to keep the tape of an operation that has ended; `chosen` is what `head` said."""
        if self._always:
            facts = {**metadata, "operation": operation, "outcome": outcome, "error": outcome == "raised", "duration": seconds}
            if any(wanted.holds(facts.get(wanted.key)) for wanted in self._always):
                return True
        if not chosen:
            return False
        if self._by is not None and self._rate < 1.0 and _draw(metadata.get(self._by)) >= self._rate:
            return self._out("rate")  # a key of the result: only now is it known whose tape this is
        return True

    def _within_budget(self, key: Scalar) -> bool:
        assert self._budget is not None
        minute = monotonic_ns() // _MINUTE
        if minute != self._minute:
            self._minute, self._used = minute, {}
        name = str(key) if len(self._used) < _KEYS else ""
        # setdefault and next are atomic: threads that come at once get different numbers.
        number = self._used.setdefault(name, itertools.count().__next__)()
        return number < self._budget or self._out("per_minute")

    def _out(self, reason: str) -> bool:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1
        return False


def _none() -> float:
    return 0.0


def _draw(key: Scalar) -> float:
    """A number from 0 to 1: by chance, or, given a key, always the same for it, on every machine."""
    digest = random_bytes(7) if key is None else blake2b(str(key).encode(errors="surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest, "big") / (1 << 56)
