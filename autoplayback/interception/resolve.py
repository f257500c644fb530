"""Finding what a target means: `module:qualname` to the object, where it is held, and how it is called."""

from __future__ import annotations

import fnmatch
import functools
import importlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from autoplayback.config.nearest import suggestion
from autoplayback.errors import TargetError
from autoplayback.interception import inplace, tasks
from autoplayback.interception.signatures import parameters_of
from autoplayback.interception.target import Shape

_MISSING = object()
_PLAIN = (type(None), bool, int, float, str, bytes)


@dataclass(frozen=True, slots=True)
class Located:
    """One function, found by name."""

    module: str
    qualname: str
    owner: Any
    """The module or class which the declaration names."""
    holder: Any
    """The module or class in whose namespace it stands: for an inherited method, the class that defines it."""
    name: str
    raw: Any
    """What stands there: a staticmethod object, a property, a function."""
    bound: bool = False
    """Whether it is a Celery task's function, whose first argument is the task."""

    @property
    def text(self) -> str:
        """The notation of the config."""
        return f"{self.module}:{self.qualname}"

    @property
    def inherited(self) -> bool:
        """Whether the class named only inherits it."""
        return self.owner is not self.holder

    @property
    def method(self) -> bool:
        """Whether a caller's first argument is an instance or a class."""
        return self.bound or (isinstance(self.holder, type) and not isinstance(self.raw, staticmethod))


def split(target: str) -> tuple[str, str]:
    """The module and the qualname of a target, without a factory's `()`. Raises TargetError where it isn't `module:qualname`."""
    module, colon, qualname = target.removesuffix("()").partition(":")
    if not module or not colon or not qualname:
        raise TargetError(target, "is not of the form `module:qualname`")
    return module, qualname


def find(target: str) -> list[Located]:
    """Imports the target's module and finds what it names, several things where its last part is a glob.

    Raises TargetError, with the nearest valid name, where there is nothing; the module's own exceptions pass.
    """
    module, qualname = split(target)
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise TargetError(target, f"there is no module {error.name!r}{_beside(error.name)}") from None
    return within(loaded, target, qualname)


def within(module: ModuleType, target: str, qualname: str) -> list[Located]:
    """What `qualname` names in a module that is there."""
    *path, last = qualname.split(".")
    owner: Any = module
    for index, part in enumerate(path):
        value = inspect.getattr_static(owner, part, _MISSING)
        if value is _MISSING:
            value = getattr(owner, part, _MISSING)  # a lazy module's __getattr__
        if value is _MISSING:
            raise _absent(target, owner, part, ".".join(path[:index]) or module.__name__)
        owner = value
    where = target.partition(":")[0]
    if any(mark in last for mark in "*?["):
        found = [
            located
            for name in sorted(_names(owner))
            if fnmatch.fnmatchcase(name, last)
            and (located := _located(where, [*path, name], owner, name)) is not None
            and _matches(located, last)
        ]
        if not found:
            raise TargetError(
                target, f"nothing in {_called(owner)} matches {last!r}{suggestion(last.strip('*?'), sorted(_names(owner)))}"
            )
        return found
    one = _located(where, [*path, last], owner, last)
    if one is None:
        raise _absent(target, owner, last, _called(owner))
    return [one]


def _located(module: str, path: list[str], owner: Any, name: str) -> Located | None:
    qualname = ".".join(path)
    if isinstance(owner, type):
        for base in owner.__mro__:
            if name in base.__dict__:
                return Located(module, qualname, owner, base, name, base.__dict__[name])
        return None
    raw = vars(owner).get(name, _MISSING) if hasattr(owner, "__dict__") else _MISSING
    if raw is _MISSING:
        raw = getattr(owner, name, _MISSING)
    return None if raw is _MISSING else Located(module, qualname, owner, owner, name, *_promised(raw))


def _promised(raw: Any) -> tuple[Any, bool]:
    """The function of a Celery task that isn't made yet, anything else as it is; and whether its first argument is the task."""
    if type(raw).__module__ != "celery.local":
        return raw, tasks.is_bound(raw)
    return next(iter(tasks.promised(raw)), (raw, False))


def _names(owner: Any) -> set[str]:
    if isinstance(owner, type):
        return {name for base in owner.__mro__ if base is not object for name in base.__dict__}
    return set(vars(owner))


def _matches(located: Located, pattern: str) -> bool:
    """Whether a glob means this: a function of this module or class, private ones only where the pattern says so."""
    try:
        return _is_function_of(located, pattern)
    except Exception:  # a proxy which has nothing behind it at import time
        return False


def _is_function_of(located: Located, pattern: str) -> bool:
    if located.name.startswith("_") and not pattern.startswith("_"):
        return False
    raw = located.raw
    if isinstance(located.owner, ModuleType):
        if isinstance(raw, (type, ModuleType)) or not callable(raw):
            return False
        return getattr(raw, "__module__", None) in (located.owner.__name__, located.module, None)
    return isinstance(raw, (staticmethod, classmethod, property, functools.cached_property)) or (
        callable(raw) and not isinstance(raw, type)
    )


def _called(owner: Any) -> str:
    return str(getattr(owner, "__qualname__", None) or getattr(owner, "__name__", None) or type(owner).__qualname__)


def _absent(target: str, owner: Any, name: str, where: str) -> TargetError:
    known = sorted(name for name in dir(owner) if not name.startswith("__"))
    return TargetError(target, f"{where} has no {name!r}{suggestion(name, known)}")


def _beside(name: str) -> str:
    """The nearest module that can be imported, among those beside a missing one."""
    import pkgutil

    package, _, last = name.rpartition(".")
    path = getattr(sys.modules.get(package), "__path__", None) if package else None
    if package and path is None:
        return ""
    known = sorted(module.name for module in pkgutil.iter_modules(path))
    if not package:
        known += sorted(sys.stdlib_module_names)
    return suggestion(last, known)


def innermost(value: Any) -> Iterator[Any]:
    """A callable and what its decorators wrap, outermost first, down a chain of `__wrapped__`, `__func__` and task `run`s.

    The chain ends at a cache (within one, only the calls that miss it would be seen, and a replay with a cold cache would ask
    for what isn't on the tape), at a singledispatch function, which wraps only one of its implementations, and at what has been
    compiled: the compiler reads the code of what it wraps.
    """
    seen: set[int] = set()
    while value is not None and id(value) not in seen:
        seen.add(id(value))
        yield value
        if is_cache(value) or is_compiled(value) or (hasattr(value, "dispatch") and hasattr(value, "registry")):
            return
        inner = _inner(value)
        if inner is None or (isinstance(inner, FunctionType) and inner in inplace.originals):
            return
        value = inner


def is_cache(value: Any) -> bool:
    """Whether calls of this may be answered without running what it wraps: `functools`' caches, and what is made like them."""
    return isinstance(value, functools._lru_cache_wrapper) or any(
        inspect.getattr_static(value, name, None) is not None for name in ("cache_clear", "cache_key")
    )


def is_compiled(value: Any) -> bool:
    """Whether numba has made this of a function in Python, whose code it reads at the first call."""
    return any(base.__module__.partition(".")[0] == "numba" for base in type(value).__mro__)


def _inner(value: Any) -> Any:
    if isinstance(value, (staticmethod, classmethod)):
        return value.__func__
    if inspect.ismethod(value):
        return value.__func__
    if hasattr(type(value), "run") and hasattr(type(value), "apply_async"):  # a Celery task
        return value.run
    if is_command(value):
        return value.callback
    if isinstance(value, FunctionType):
        return vars(value).get("__wrapped__")
    return getattr(value, "__wrapped__", None)


def is_command(value: Any) -> bool:
    """Whether this is a command of click's: what runs is its callback, and only a program's outermost one is called itself."""
    kind = type(value)
    return hasattr(kind, "make_context") and hasattr(kind, "invoke") and callable(getattr(value, "callback", None))


def call_of(value: Any) -> Any:
    """What runs when an object is called: its class's `__call__`."""
    return inspect.getattr_static(type(value), "__call__", None)


def shape_of(value: Any) -> Shape:
    """How a call of this runs."""
    for kind, shape in (
        (inspect.isasyncgenfunction, Shape.ASYNC_GENERATOR),
        (inspect.iscoroutinefunction, Shape.COROUTINE),
        (inspect.isgeneratorfunction, Shape.GENERATOR),
    ):
        if kind(value) or (not isinstance(value, (FunctionType, type)) and callable(value) and kind(call_of(value))):
            return shape
    return Shape.FUNCTION


def signature_of(value: Any, *, receives: bool) -> tuple[tuple[tuple[str, int], ...], dict[str, Any]]:
    """The names and kinds of the parameters, without self or cls, and those defaults which are plain scalars."""
    try:
        parameters = parameters_of(value)
    except (TypeError, ValueError):
        return (), {}
    if (
        receives
        and parameters
        and parameters[0].kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ):
        parameters = parameters[1:]
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty and type(p.default) in _PLAIN}
    return tuple((p.name, int(p.kind)) for p in parameters), defaults
