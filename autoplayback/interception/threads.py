"""Hands the current operation over to what it starts: threads, timers, pools and greenlets.

asyncio's tasks and `to_thread` inherit a whole context by themselves. Here only our own variable goes over: a copied context
would change what the service's own variables say in its threads.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextvars import Context
from types import ModuleType
from typing import Any

from autoplayback.interception.context import Scope, current
from autoplayback.interception.finder import Finder
from autoplayback.interception.greenlets import listen
from autoplayback.interception.wrappers import unseen


def handed() -> Scope | None:
    """What a thread or job started here is to inherit; None where no operation is under way."""
    scope = current.get()
    return None if scope is None or scope.over() else scope


def within(scope: Scope, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, run as part of the operation; pool threads go back to what they were before."""

    @unseen
    def inheriting(*args: Any, **kwargs: Any) -> Any:
        token = current.set(scope)
        listen()
        try:
            return function(*args, **kwargs)
        finally:
            current.reset(token)

    return inheriting


def install(finder: Finder) -> Callable[[], None]:
    """Patches what starts threads, now or once it is imported; returns the undoing."""
    undos: list[Callable[[], None]] = []
    for module, patch in (
        ("threading", _threading),
        ("concurrent.futures.thread", _executor),
        ("concurrent.futures.process", _process_pool),
        ("multiprocessing.pool", _pool),
        ("gevent.threadpool", _native_pool),
        ("gevent.greenlet", _greenlet),
        ("gevent.hub", _raw),
        ("eventlet.greenthread", _green_thread),
    ):
        finder.when_imported(module, functools.partial(patch, undos))

    def undo() -> None:
        while undos:
            undos.pop()()

    return undo


def _replace(
    undos: list[Callable[[], None]], owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    original = owner.__dict__[name]
    if getattr(original, "__autoplayback_hands_over__", False):
        return
    replacement = functools.wraps(original)(unseen(make(original)))
    replacement.__autoplayback_hands_over__ = True  # type: ignore[attr-defined]
    setattr(owner, name, replacement)
    undos.append(lambda: setattr(owner, name, original))


def _threading(undos: list[Callable[[], None]], module: ModuleType) -> None:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def start(self: Any) -> Any:
            scope = handed()
            if scope is not None and not self._started.is_set():
                names = self.__dict__
                had, before = "run" in names, names.get("run")
                run = self.run

                @unseen
                def run_within() -> None:
                    current.set(scope)  # the thread's context ends with it
                    listen()
                    if had:
                        names["run"] = before
                    else:
                        names.pop("run", None)
                    run()

                names["run"] = run_within
            return original(self)

        return start

    # gevent puts a subclass in its place, which has no `start` of its own.
    _replace(undos, next(kind for kind in module.Thread.__mro__ if "start" in kind.__dict__), "start", make)


def _executor(undos: list[Callable[[], None]], module: ModuleType) -> None:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            scope = handed()
            if scope is None:
                return original(self, fn, *args, **kwargs)
            return _by_nobody(original, self, within(scope, fn), *args, **kwargs)

        return submit

    _replace(undos, module.ThreadPoolExecutor, "submit", make)


@unseen
def _by_nobody(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Calls what may start a pool's threads: these serve whoever comes, so they must not inherit who came first."""
    token = current.set(None)
    try:
        return function(*args, **kwargs)
    finally:
        current.reset(token)


def _process_pool(undos: list[Callable[[], None]], module: ModuleType) -> None:
    """A pool of processes has one thread that takes in the results of all and runs their callbacks."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            return original(self, fn, *args, **kwargs) if handed() is None else _by_nobody(original, self, fn, *args, **kwargs)

        return submit

    _replace(undos, module.ProcessPoolExecutor, "submit", make)


def _pool(undos: list[Callable[[], None]], module: ModuleType) -> None:
    """`ThreadPool`: a job carries its function; a process pool's jobs are pickled and stay as they are."""
    for name in ("apply_async", "_map_async", "imap", "imap_unordered"):

        def make(original: Callable[..., Any]) -> Callable[..., Any]:
            def handing(self: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
                scope = handed() if isinstance(self, module.ThreadPool) else None
                return original(self, func if scope is None else within(scope, func), *args, **kwargs)

            return handing

        if name in module.Pool.__dict__:
            _replace(undos, module.Pool, name, make)

    def made(original: Callable[..., Any]) -> Callable[..., Any]:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            _by_nobody(original, self, *args, **kwargs)

        return __init__

    _replace(undos, module.Pool, "__init__", made)


def _native_pool(undos: list[Callable[[], None]], module: ModuleType) -> None:
    """gevent's pool of native threads."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def spawn(self: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
            scope = handed()
            return original(self, func if scope is None else within(scope, func), *args, **kwargs)

        return spawn

    _replace(undos, module.ThreadPool, "spawn", make)


def _give(greenlet: Any) -> None:
    """A greenlet begins with an empty context, which can be given to it before its first step."""
    scope = handed()
    if scope is not None and greenlet.gr_context is None:
        context = Context()
        context.run(current.set, scope)
        greenlet.gr_context = context


def _greenlet(undos: list[Callable[[], None]], module: ModuleType) -> None:
    """gevent's greenlets, however they are spawned."""
    module.Greenlet.add_spawn_callback(_give)
    undos.append(lambda: module.Greenlet.remove_spawn_callback(_give))


def _raw(undos: list[Callable[[], None]], module: ModuleType) -> None:
    """gevent's plainest greenlets, of which it tells nobody."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def spawn_raw(function: Any, *args: Any, **kwargs: Any) -> Any:
            greenlet = original(function, *args, **kwargs)
            _give(greenlet)
            return greenlet

        return spawn_raw

    _replace(undos, module, "spawn_raw", make)
    package: Any = sys.modules.get("gevent")
    if getattr(package, "spawn_raw", module.spawn_raw) is not module.spawn_raw:  # imported before us
        _replace(undos, package, "spawn_raw", make)


def _green_thread(undos: list[Callable[[], None]], module: ModuleType) -> None:
    """eventlet's greenlets, which its hub starts."""

    def made(original: Callable[..., Any]) -> Callable[..., Any]:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            _give(self)

        return __init__

    def spawned(original: Callable[..., Any]) -> Callable[..., Any]:
        def _spawn_n(*args: Any, **kwargs: Any) -> Any:
            timer, greenlet = original(*args, **kwargs)
            _give(greenlet)
            return timer, greenlet

        return _spawn_n

    _replace(undos, module.GreenThread, "__init__", made)
    _replace(undos, module, "_spawn_n", spawned)
