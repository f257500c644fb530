"""Celery's applications: each of their tasks is an operation, wherever it is defined and whenever the application makes it.

Celery isn't imported here, and none of its proxies is evaluated: that would bind a task to whichever application there is while
modules are still being imported. So some of its private state is read, and one of its methods is exchanged on the object.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from autoplayback.interception.faults import report

_REQUEST = (
    *("id", "task", "retries", "root_id", "parent_id", "group", "group_index", "eta", "expires", "called_directly", "is_eager"),
    *("correlation_id", "reply_to", "hostname", "origin", "timelimit", "ignore_result", "redelivered", "argsrepr", "kwargsrepr"),
)
_PLAIN = (type(None), bool, int, float, str)

Take = Callable[[FunctionType, bool], None]
"""Given the function of a task, and whether its first parameter is the task (`bind=True`)."""


def is_application(value: Any) -> bool:
    """Whether this is a Celery application, rather than one of its tasks."""
    return hasattr(type(value), "_task_from_fun") and hasattr(value, "_pending")


def watch(application: Any, take: Take) -> Callable[[], None]:
    """Tells of each task that the application has, and of each that it makes from now on; returns the undoing."""
    for promise in list(application._pending):
        for function, bound in promised(promise):
            take(function, bound)
    for task in list(application._tasks.values()):
        run = inspect.unwrap(getattr(task, "_orig_run", task.run))
        take(getattr(run, "__func__", run), inspect.ismethod(run))
    original = application._task_from_fun

    def made(fun: Any, *args: Any, **options: Any) -> Any:
        try:
            take(fun, bool(options.get("bind") or (len(args) > 2 and args[2])))
        except Exception as error:
            report(f"intercepting the Celery task {getattr(fun, '__name__', fun)!r}", error)
        return original(fun, *args, **options)

    application._task_from_fun = made

    def undo() -> None:
        del application._task_from_fun

    return undo


def own(function: Any) -> bool:
    """Whether a task's function is the service's, and not one of Celery's own tasks."""
    return isinstance(function, FunctionType) and not function.__module__.startswith("celery.")


def promised(proxy: Any) -> Iterator[tuple[FunctionType, bool]]:
    """The functions that a proxy of Celery's will make a task of, and whether those are bound to it."""
    make = object.__getattribute__(proxy, "_Proxy__local")
    args = object.__getattribute__(proxy, "_Proxy__args") or ()
    options = object.__getattribute__(proxy, "_Proxy__kwargs") or {}
    kept = [cell.cell_contents for cell in getattr(make, "__closure__", None) or ()]
    bound = any(isinstance(known, dict) and known.get("bind") is True for known in (options, *kept))
    yield from ((value, bound) for value in (*args, *kept) if isinstance(value, FunctionType))


def made(task: Any) -> Any:
    """The task behind a proxy, made now."""
    return task._get_current_object() if type(task).__module__ == "celery.local" else task


def is_bound(task: Any) -> bool:
    """Whether a task, made already, is given to its function as the first argument."""
    return hasattr(type(task), "apply_async") and inspect.ismethod(getattr(task, "run", None))


def request_of(task: Any) -> dict[str, Any]:
    """What a bound task can read of the message that it runs for: how often it was retried, its id, and so on."""
    request = task.request
    found = {name: value for name in _REQUEST if type(value := getattr(request, name, None)) in _PLAIN}
    delivery = getattr(request, "delivery_info", None)
    if isinstance(delivery, dict):
        found["delivery_info"] = {name: value for name, value in delivery.items() if type(value) in _PLAIN}
    return found


def under_request(task: Any, request: dict[str, Any]) -> Callable[..., Any]:
    """The task's function, called as the worker called it: with that request."""

    def run(*args: Any, **kwargs: Any) -> Any:
        task.push_request(**request, args=args, kwargs=kwargs)
        try:
            return task.run(*args, **kwargs)
        finally:
            task.pop_request()

    return run


