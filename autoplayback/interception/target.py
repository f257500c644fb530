"""What is intercepted, once found: a function together with what the config says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from autoplayback.errors import Place
from autoplayback.tape.model import TargetNote

if TYPE_CHECKING:
    from autoplayback.interception.protocol import ResultCodec


class Role(str, Enum):
    """What a call means to the operation."""

    OPERATION = "operation"
    INPUT = "input"
    OUTPUT = "output"
    ACT = "act"
    """On tapes only: a call of an input that acts on the world after all. A replay that no longer makes it is different."""


class Shape(str, Enum):
    """How a call runs, and so which wrapper holds it."""

    FUNCTION = "function"
    COROUTINE = "coroutine"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "async generator"
    WSGI = "wsgi"
    ASGI = "asgi"


Acts = Callable[[str, tuple[Any, ...], dict[str, Any]], bool]
"""Whether a call of an input acts on the world after all (an INSERT, a POST), told by its target's name and its arguments as
they are noted."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One thing the config or a preset wants intercepted, not yet looked for: `bootstrap` makes these, presets expanded."""

    role: Role
    target: str
    """`module:qualname`, a glob allowed in the last part (of inputs and outputs)."""
    name: str | None = None
    shape: Shape | None = None
    """WSGI or ASGI where the config says so; else found out from the function."""
    wrap: str = "inside"
    handle: bool = False
    codec: ResultCodec | None = None
    optional: bool = False
    """A preset's target which some versions of its library lack: its absence is no error."""
    apart: Callable[[tuple[Any, ...], dict[str, Any]], bool] | None = None
    """By its arguments, whether a library's own part made a call that returns a handle: it is given the object itself."""
    beside: bool = False
    """Of a library that the service may use, or not, above the one it has named: of no matter unless it is imported."""
    settings: Any = None
    place: Place | None = None
    trusts: tuple[str, ...] = ()
    """Packages, beside the target's own, whose classes its answers may be made of."""
    file_limit: int = 500 << 20
    """Bytes of a file named by `files:` up to which its content is kept."""
    acts: Acts | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One intercepted function. Compared and hashed by identity: the wrapper, its passages and the tape builder share it.

    `name` is its stable name on tapes (the config's `alias:` or `name:`, else `module:qualname`). `parameters` are the
    names and kinds (inspect.Parameter.kind as an int) of its signature, without self or cls; empty where it has none to read.
    `receives` says whether the first argument is an instance, which isn't part of the recorded arguments.
    """

    role: Role
    name: str
    module: str
    qualname: str
    shape: Shape = Shape.FUNCTION
    parameters: tuple[tuple[str, int], ...] = ()
    receives: bool = False
    handle: bool = False
    """The result is a live object to be intercepted in turn (`returns: handle`)."""
    codec: ResultCodec | None = None
    settings: Any = None
    """The config.settings entry it came from (OperationSettings, InputSettings or OutputSettings)."""
    extra: dict[str, Any] = field(default_factory=dict)
    acts: Acts | None = None
    note: TargetNote = field(init=False)
    """What tapes remember of it."""

    def __post_init__(self) -> None:
        note = TargetNote(self.name, self.role.value, self.module, self.qualname, self.parameters)
        object.__setattr__(self, "note", note)


def noted_as(target: Target, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Target:
    """The target under which a call stands on a recorded tape: with the role ACT where an input's call acts on the world.

    It is matched as the input it was declared as; but a write which the code no longer makes is no read that it could spare.
    """
    if target.acts is None or target.role is not Role.INPUT:
        return target
    try:
        if not target.acts(target.name, args, kwargs):
            return target
    except Exception:  # of arguments nobody expected: then it stands there as declared
        return target
    twin: Target = target.extra.get("acting") or target.extra.setdefault("acting", replace(target, role=Role.ACT))
    return twin
