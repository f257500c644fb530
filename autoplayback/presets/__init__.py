"""Ready-made targets, a file a library: each lists its functions as `TARGETS`, and brings codecs for live results.

A preset's module is imported only where the config names it, and imports its library only once the service has.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoplayback.config.settings import CallSettings
    from autoplayback.errors import Place
    from autoplayback.interception.protocol import ResultCodec
    from autoplayback.interception.target import Acts, Declaration, Role


@dataclass(frozen=True, slots=True)
class PresetTarget:
    """One function of a library which a preset intercepts."""

    target: str
    name: str
    ignore: tuple[str, ...] = ()
    """Parameters which don't identify the call; those of the config come on top."""
    handle: bool = False
    codec: ResultCodec | None = None
    wrap: str = "outside"
    acts: Acts | None = None
    """Which of its calls act on the world: one that is recorded and not made again is a difference."""
    trusts: tuple[str, ...] = ()
    """Further packages whose classes its answers are made of (exceptions of a library below, say)."""
    reads: bool = False
    """An input, also where the preset is declared under `outputs`: it isn't what the operation did."""
    apart: Callable[[tuple[Any, ...], dict[str, Any]], bool] | None = None
    """By its arguments, whether it is the library's own part that calls (a pool), and wants the object itself, not a handle."""
    beside: bool = False
    """Of a library that some services use above the preset's own: no matter to those which don't."""
    missing: Any = ...
    """Given where the tape has no answer, unless the config says otherwise; Ellipsis: nothing is."""


def names() -> list[str]:
    """The presets there are, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def expand(name: str, role: Role, entry: CallSettings, place: Place | None) -> list[Declaration]:
    """The declarations a preset stands for, with the config's own options (`ignore`, `on_missing`, `alias`, ...) on each.

    Raises ConfigError for a name no preset has.
    """
    from autoplayback.errors import ConfigError
    from autoplayback.interception.target import Declaration, Role

    if name not in names():
        raise ConfigError((place, f"there is no preset {name!r}; there are: {', '.join(names())}"))
    targets: tuple[PresetTarget, ...] = importlib.import_module(f"{__name__}.{name}").TARGETS
    found = []
    for target in targets:
        _, dot, rest = target.name.partition(".")
        alias = target.name if entry.alias is None else f"{entry.alias}{dot}{rest}"
        settings = _settings(entry, target)
        found.append(
            Declaration(
                Role.INPUT if target.reads else role,
                target.target,
                alias,
                None,
                target.wrap,
                target.handle,
                target.codec,
                optional=True,
                settings=settings,
                place=place,
                trusts=target.trusts,
                acts=target.acts,
                apart=target.apart,
                beside=target.beside,
            )
        )
    return found


def _settings(entry: CallSettings, target: PresetTarget) -> CallSettings:
    import msgspec

    from autoplayback.config.settings import Fallback

    changes: dict[str, Any] = {}
    if target.ignore:
        changes["ignore"] = [*target.ignore, *entry.ignore]
    if target.missing is not ... and entry.on_missing == "fail":
        changes["on_missing"] = Fallback(value=target.missing)
    return msgspec.structs.replace(entry, **changes) if changes else entry
