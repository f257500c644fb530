"""The way into an operation: found in the code under test, and called the way the recorded caller did."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from autoplayback.config.nearest import suggestion
from autoplayback.errors import AutoplaybackError, ReplayError
from autoplayback.interception import tasks
from autoplayback.interception.resolve import is_command, signature_of
from autoplayback.interception.target import Declaration, Shape
from autoplayback.player import caught
from autoplayback.tape.model import End, Tape, TargetNote
from autoplayback.tape.values import Trust, rebuild


@dataclass(frozen=True, slots=True)
class Entry:
    """One declared operation, found."""

    declaration: Declaration
    owner: type | None
    """The class whose method it is; None for what is called without an instance."""
    name: str
    value: Any
    """The function as a caller would look it up, or the web application."""

    parameters: tuple[tuple[str, int], ...] = ()
    """Of its signature now, without self."""

    @property
    def instance(self) -> str:
        """How `self` comes about: `new`, `recorded`, or the `module:qualname` of a factory."""
        return str(getattr(self.declaration.settings, "instance", "new"))


def locate(declaration: Declaration) -> Entry:
    """Imports the operation's module and finds it there. The module's own exceptions pass; what isn't there is a ReplayError."""
    called = declaration.target.endswith("()")
    text = declaration.target.removesuffix("()")
    owner, name, value = find(text)
    if is_command(value):
        value = value.callback
    if declaration.shape is Shape.ASGI or inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value):
        importlib.import_module("asyncio")
    if declaration.shape in (Shape.WSGI, Shape.ASGI):
        return Entry(declaration, None, name, _complete(value() if called else value))
    static = inspect.getattr_static(owner, name) if isinstance(owner, type) else None
    method = isinstance(owner, type) and not isinstance(static, (staticmethod, classmethod))
    return Entry(
        declaration, owner if method else None, name, value, signature_of(static if method else value, receives=method)[0]
    )


def _complete(application: Any) -> Any:
    """A web application with all its code imported: Django's takes in its views with the first request, which here would be each
    tape's. A URLconf that can't be imported raises in the request, as it does in production."""
    handlers = sys.modules.get("django.core.handlers.base")
    if handlers is not None and isinstance(application, handlers.BaseHandler):
        with contextlib.suppress(Exception):
            importlib.import_module("django.urls").get_resolver().url_patterns  # noqa: B018  # a property that imports
    return application


def find(target: str) -> tuple[Any, str, Any]:
    """What `module:qualname` means: its holder, its name in it, and itself."""
    module, _, qualname = target.partition(":")
    owner: Any = None
    value: Any = importlib.import_module(module)
    name = module
    for name in qualname.split("."):
        owner = value
        try:
            value = getattr(owner, name)
        except AttributeError:
            known = [known for known in dir(owner) if not known.startswith("_")]
            raise ReplayError(
                f"{target!r}: {getattr(owner, '__name__', owner)} has no {name!r}{suggestion(name, known)}"
            ) from None
    return owner, name, value


def drive(entry: Entry, tape: Tape, trust: Trust) -> None:
    """Runs the operation once with the recorded arguments. What it returns or raises is its passage's to note, not ours.

    Raises ReplayError where it can't be called at all.
    """
    if entry.declaration.shape is Shape.WSGI or entry.declaration.shape is Shape.ASGI:
        _drive_web(entry, rebuild(tape.arguments, trust))
        return
    call, args, kwargs = prepared(entry, tape, trust)
    try:
        outcome = call(*args, **kwargs)
        if isinstance(outcome, CoroutineType):
            _run(outcome)
        elif isinstance(outcome, GeneratorType):
            _read(outcome, tape)
        elif isinstance(outcome, AsyncGeneratorType):
            _run(_aread(outcome, tape))
    except KeyboardInterrupt:
        raise  # of somebody at the terminal (--debug)
    except BaseException:
        return  # noted already, by the operation's passage: Diverged, CancelledError and the service's own among them


def prepared(entry: Entry, tape: Tape, trust: Trust) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """The callable, bound to its instance where it has one, and its arguments."""
    function = entry.value if entry.owner is None else getattr(_instance(entry, tape, trust), entry.name)
    if entry.owner is None and tape.receiver is not None and tasks.is_bound(function := tasks.made(function)):
        function = tasks.under_request(function, rebuild(tape.receiver, trust))
    args, kwargs = rebuild(tape.arguments, trust)
    if entry.parameters and entry.parameters == tape.target.parameters:
        return function, args, kwargs
    renamed = getattr(entry.declaration.settings, "parameters", {})
    args, kwargs = adapted(function, tuple(args), dict(kwargs), tape.target, renamed, tape.operation)
    return function, args, kwargs


def adapted(
    function: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    recorded: TargetNote,
    renamed: Mapping[str, str | None],
    operation: str,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The recorded arguments as the current signature takes them.

    After a change they go by name: a parameter at the same
    place under a new name is the old one renamed (the recorded caller passed it by place), a new one takes its default, and
    what no longer has a place must be named in the config's `parameters:`, since dropping it silently would prove nothing.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return args, kwargs
    current = list(signature.parameters.values())
    if not renamed and (not recorded.parameters or recorded.parameters == tuple((p.name, int(p.kind)) for p in current)):
        return args, kwargs
    by_name = {p.name: p for p in current}
    catchall = any(p.kind is p.VAR_KEYWORD for p in current)
    places = [(name, kind) for name, kind in recorded.parameters if kind <= int(inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    passed: dict[str, Any] = {}
    extra = args[len(places) :]
    for index, ((name, _), value) in enumerate(zip(places, args, strict=False)):
        new = _renamed(name, index, renamed, by_name, recorded, current)
        if new is None and name not in renamed:
            raise _gone(operation, name, signature)
        if new is not None:
            passed[new] = value
    for name, value in kwargs.items():
        new = renamed.get(name, name)
        if new is None:
            continue
        if new not in by_name and not catchall:
            raise _gone(operation, name, signature)
        passed[new] = value
    positional: list[Any] = []
    for parameter in current:
        if parameter.kind is parameter.POSITIONAL_ONLY or (extra and parameter.kind is parameter.POSITIONAL_OR_KEYWORD):
            if parameter.name in passed:
                positional.append(passed.pop(parameter.name))
            elif parameter.default is not parameter.empty:
                positional.append(parameter.default)
    missing = [
        p.name
        for p in current
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and p.name not in passed
        and p.name not in [c.name for c in current[: len(positional)]]
    ]
    if missing and recorded.parameters:
        raise ReplayError(
            f"operation {operation!r} now needs {', '.join(missing)}, which its tape has no value for: give it a default,"
            f" or name the old parameter under the operation in the YAML: `parameters: {{old_name: {missing[0]}}}`"
        )
    return (*positional, *extra), passed


def _renamed(
    name: str,
    index: int,
    renamed: Mapping[str, str | None],
    by_name: Mapping[str, Any],
    recorded: TargetNote,
    current: list[inspect.Parameter],
) -> str | None:
    """The name today of the recorded parameter at a place; None where it has none."""
    if name in renamed:
        return renamed[name]
    if name in by_name:
        return name
    before = {known for known, _ in recorded.parameters}
    if (
        index < len(current)
        and current[index].name not in before
        and current[index].kind <= inspect.Parameter.POSITIONAL_OR_KEYWORD
    ):
        return current[index].name
    return None


def _gone(operation: str, name: str, signature: inspect.Signature) -> ReplayError:
    return ReplayError(
        f"operation {operation!r} was recorded with the parameter {name!r}, which {signature} no longer has: say under"
        f" the operation in the YAML `parameters: {{{name}: <its new name>}}`, or `parameters: {{{name}: null}}` to go"
        " without it"
    )


def _instance(entry: Entry, tape: Tape, trust: Trust) -> Any:
    """The object whose method the operation is."""
    assert entry.owner is not None
    where = f"operation {tape.operation!r}"
    if entry.instance == "recorded":
        if tape.receiver is None:
            raise ReplayError(f"{where}: its tape has no state of `self`; it was recorded without `instance: recorded`")
        return rebuild(tape.receiver, trust)
    if entry.instance != "new":
        factory = find(entry.instance)[2]
        try:
            return factory()
        except AutoplaybackError:
            raise
        except Exception as error:
            raise ReplayError(f"{where}: its instance factory {entry.instance} raised {type(error).__name__}: {error}") from error
    try:
        return entry.owner()
    except AutoplaybackError:
        raise
    except Exception as error:
        raise ReplayError(
            f"{where}: {entry.owner.__qualname__}() raised {type(error).__name__}: {error}; say how to make one:"
            f" `instance: module:factory`, or `instance: recorded` before recording"
        ) from error


def _run(coroutine: Any) -> None:
    import asyncio  # 3 MB that each fork of a service without it would copy; `locate` has seen to it where an operation needs it

    asyncio.run(coroutine)


def _read(stream: Any, tape: Tape) -> None:
    """Reads a generator as far as the recorded reader did."""
    wanted = len(tape.outcome.items or ()) if tape.outcome.end is End.CLOSED else -1
    while wanted:
        try:
            next(stream)
        except StopIteration:
            return
        wanted -= 1
    stream.close()


async def _aread(stream: Any, tape: Tape) -> None:
    wanted = len(tape.outcome.items or ()) if tape.outcome.end is End.CLOSED else -1
    while wanted:
        try:
            await anext(stream)
        except StopAsyncIteration:
            return
        wanted -= 1
    await stream.aclose()


def _drive_web(entry: Entry, arguments: Any) -> None:
    args, _ = arguments
    try:
        if entry.declaration.shape is Shape.WSGI:
            from autoplayback.interception import wsgi

            wsgi.drive(entry.value, args[0], caught.answering)
        else:
            from autoplayback.interception import asgi

            _run(asgi.drive(entry.value, args[0], caught.answering))
    except KeyboardInterrupt:
        raise  # of somebody at the terminal (--debug)
    except BaseException:
        return  # noted already, by the operation's passage: Diverged, CancelledError and the service's own among them
