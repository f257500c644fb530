"""numpy's shared generator inside operations: `np.random.rand` and its like, however they were imported.

As with `random`, an operation draws from a generator of its own, whose seed is on its tape. But who seeds numpy's shared
generator wants its numbers: once the service has, everything draws from that one as ever, and its state when an operation
first draws is on the tape, as a call (what others draw while it goes on is not). `default_rng()` and `RandomState()` without a
seed take theirs from the operation.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from types import ModuleType
from typing import Any

from autoplayback.config.settings import InputSettings
from autoplayback.interception.context import Scope, current
from autoplayback.interception.finder import Finder
from autoplayback.interception.target import Declaration, Role

SEEDS = ("seed", "set_state")
_shared: Any = None
"""The stand-in for numpy's shared generator, once numpy is imported."""
_seeded = False
"""Whether the service has seeded it."""
_recorded = False
"""Whether it had when the tape that is replayed was recorded."""
NAME = "numpy.random.state"


def declaration() -> Declaration:
    """The input that a state is."""
    target = f"{__name__}:state"
    return Declaration(
        Role.INPUT, target, NAME, optional=True, settings=InputSettings(target=target, on_missing="call")
    )


def install(finder: Finder) -> None:
    """Puts the stand-in into numpy before `numpy.random` takes its functions from there."""
    finder.when_imported("numpy.random.bit_generator", _entropy)
    finder.when_imported("numpy.random.mtrand", _generator)


def state() -> Any:
    """The shared generator's present state, as its `get_state` gives it."""
    return _plain("get_state")(_shared)


def replay(seed: int, *, seeded: bool) -> None:
    """Makes ready for one tape: `seeded` says whether its operation drew from the shared generator. What draws outside the
    operation is the same each time, too, unless the service has seeded it itself."""
    global _recorded
    _recorded = seeded
    if _shared is not None and not _seeded:
        _plain("seed")(_shared, seed & 0xFFFFFFFF)


def _plain(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(type(_shared).__mro__[1], name)
    return found


def _open() -> Scope | None:
    scope = current.get()
    return None if scope is None or scope.closed else scope


def _entropy(module: ModuleType) -> None:
    def randbits(count: int) -> int:
        scope = _open()
        return secrets.randbits(count) if scope is None else scope.random.getrandbits(count)

    module.randbits = randbits  # type: ignore[attr-defined]


def _generator(module: ModuleType) -> None:
    global _shared
    plain, plain_type = module._rand, module.RandomState
    if type(plain) is not plain_type:
        return
    names = [name for name in dir(plain_type) if not name.startswith("_") and callable(getattr(plain, name))]
    scoped = type("RandomState", (plain_type,), {name: _scoped(getattr(plain_type, name), name) for name in names})
    scoped.__module__ = plain_type.__module__
    _shared = scoped(plain._bit_generator)  # the state is the bit generator's, which both now share
    for name, value in list(vars(module).items()):
        if getattr(value, "__self__", None) is plain:
            setattr(module, name, getattr(_shared, name))
    module._rand = _shared  # type: ignore[attr-defined]


def _scoped(plain: Callable[..., Any], name: str) -> Callable[..., Any]:
    def draw(self: Any, *args: Any, **kwargs: Any) -> Any:
        global _seeded
        scope = _open()
        if self is not _shared:
            return plain(self, *args, **kwargs)
        if name in SEEDS and (args or kwargs):
            _seeded = True
        if not (_seeded or _recorded):
            return plain(self if scope is None else scope.numpy(type(self).__mro__[1]), *args, **kwargs)
        if scope is not None and not scope.drawn:
            scope.drawn = True
            if name not in SEEDS:
                known = state()
                if _recorded:  # while recording never: what another thread has drawn since then would be drawn once more
                    _plain("set_state")(self, known)
        return plain(self, *args, **kwargs)

    draw.__name__, draw.__qualname__, draw.__doc__ = name, f"RandomState.{name}", plain.__doc__
    return draw
