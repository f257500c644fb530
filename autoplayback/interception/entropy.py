"""Randomness inside operations: `random` draws from the operation's own generator, uuids are calls on the tape.

No call is recorded for `random`: the seed of each operation's generator is on its tape, so a replay draws the same numbers.
What `secrets` and `os.urandom` give are tokens and keys, which belong on no tape: a replay makes them from the seed instead
(player.randomness). Tokens that are texts are calls, too, so that they can be followed wherever they go: recorded, they are
redacted, and a replay is answered with what stands for each, here and in statements, messages and results alike.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

from autoplayback.config.settings import InputSettings
from autoplayback.interception import numpy_random
from autoplayback.interception.context import current
from autoplayback.interception.finder import Finder
from autoplayback.interception.target import Declaration, Role

TOKENS = ("token_hex", "token_urlsafe")
"""The functions of `secrets` which give texts."""
UUIDS = ("uuid1", "uuid4", "uuid6", "uuid7", "uuid8")
"""The functions of `uuid` which ask clock or randomness; the later ones came with Python 3.14."""


def declarations() -> list[Declaration]:
    """The inputs that every config has. A uuid which the tape doesn't hold is made anew, deterministically, and shows as a
    difference wherever it ends up: it asked nobody outside, so it is no divergence."""
    return [
        Declaration(
            Role.INPUT,
            f"{module}:{name}",
            f"{module}.{name}",
            optional=True,
            settings=InputSettings(target=f"{module}:{name}", on_missing="call"),
        )
        for module, names in (("uuid", UUIDS), ("secrets", TOKENS))
        for name in names
    ] + [numpy_random.declaration()]


def install(finder: Finder | None = None) -> None:
    """Lets the module's functions, however they were imported, draw from the operation's generator while inside one.

    They are methods of one hidden instance, so its class is exchanged: `from random import choice` before or after makes no
    difference. `random.random` and `getrandbits` are C methods which no class reaches; those are bound again. numpy's functions
    likewise, where `finder` hears of its import.
    """
    if finder is not None:
        numpy_random.install(finder)
    shared: Any = getattr(random, "_inst", None)
    if type(shared) is not random.Random:
        return  # installed already, or somebody else has put theirs there: not ours to disturb
    shared.__class__ = ScopedRandom
    for name in DRAWS:
        if hasattr(random, name):
            setattr(random, name, getattr(shared, name))
    _seed_unseeded()


def _seed_unseeded() -> None:
    """Lets a `random.Random()` that is made without a seed inside an operation take one from the operation's generator."""
    plain = random.Random.seed

    @functools.wraps(plain)
    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        scope = current.get() if a is None else None
        plain(self, a if scope is None or scope.closed else scope.random.getrandbits(256), version)

    random.Random.seed = seed  # type: ignore[method-assign]


class ScopedRandom(random.Random):
    """The module's shared generator: outside operations itself, inside one the operation's own."""


def _scoped(name: str) -> Callable[..., Any]:
    plain = getattr(random.Random, name)

    def draw(self: random.Random, *args: Any, **kwargs: Any) -> Any:
        scope = current.get()
        if scope is None or scope.closed:
            return plain(self, *args, **kwargs)
        return getattr(scope.random, name)(*args, **kwargs)

    draw.__name__ = name
    draw.__qualname__ = f"Random.{name}"
    draw.__doc__ = plain.__doc__
    draw.__wrapped__ = plain  # type: ignore[attr-defined]
    return draw


DRAWS = ("random", "getrandbits", "seed", "getstate", "setstate", "gauss", "randbytes")
"""What touches the generator's state; all else (choice, shuffle, ...) is made of these and finds them through the class."""

for _name in DRAWS:
    setattr(ScopedRandom, _name, _scoped(_name))
# Random picks its way to draw below n when a subclass is made, before our methods are on it.
ScopedRandom._randbelow = random.Random._randbelow_with_getrandbits  # type: ignore[attr-defined]
