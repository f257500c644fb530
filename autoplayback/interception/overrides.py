"""Overrides of an intercepted method: those that subclasses have, and those that subclasses to come will have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from autoplayback.interception.faults import report

_watched: dict[type, list[tuple[str, Callable[[type], None]]]] = {}


def of(owner: type, name: str) -> Iterator[type]:
    """The subclasses, at any depth, which define this name anew."""
    seen: set[type] = set()
    waiting: list[type] = list(type.__subclasses__(owner))
    while waiting:
        subclass = waiting.pop()
        if subclass in seen:
            continue
        seen.add(subclass)
        waiting += type.__subclasses__(subclass)
        if name in subclass.__dict__ and called(subclass.__dict__[name]):
            yield subclass


def called(value: Any) -> bool:
    """Whether what stands in the method's place is something to call or to ask, and no plain value (`method = None`)."""
    return callable(value) or hasattr(type(value), "__get__")


def watch(owner: type, name: str, override: Callable[[type], None]) -> Callable[[], None]:
    """Calls `override` with every later subclass that defines this name; returns the undoing.

    Python tells the base through `__init_subclass__`. Ours passes on to the one that was there, own or inherited.
    """
    entry = (name, override)
    if owner in _watched:
        _watched[owner].append(entry)
        return lambda: _watched.get(owner, [entry]).remove(entry)
    own = owner.__dict__.get("__init_subclass__")

    def __init_subclass__(cls: type, /, *args: Any, **kwargs: Any) -> None:
        if own is not None:
            own.__get__(None, cls)(*args, **kwargs)
        else:
            super(owner, cls).__init_subclass__(*args, **kwargs)  # type: ignore[arg-type]  # a class method's super
        for known, tell in list(_watched.get(owner, ())):
            if known in cls.__dict__ and called(cls.__dict__[known]):
                try:
                    tell(cls)
                except Exception as error:
                    report(f"intercepting the override {cls.__qualname__}.{known}", error)

    try:
        type.__setattr__(owner, "__init_subclass__", classmethod(__init_subclass__))
    except TypeError:
        return lambda: None
    _watched[owner] = [entry]

    def undo() -> None:
        _watched.get(owner, [entry]).remove(entry)
        if not _watched.get(owner):
            _watched.pop(owner, None)
            if own is not None:
                type.__setattr__(owner, "__init_subclass__", own)
            elif "__init_subclass__" in owner.__dict__:
                type.__delattr__(owner, "__init_subclass__")

    return undo
