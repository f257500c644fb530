"""Greenlets that a service starts by itself, without gevent: each begins in an empty context, and the class is one in C that
can't be patched. What the package offers is to be told of every switch within a thread; so a thread that runs an operation is
listened to from then on, and a greenlet that takes its first step belongs to the operation of the one which started it.

SQLAlchemy's asyncio engine hands the context on by itself, and gevent's greenlets are given theirs as they are spawned (threads).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any

from autoplayback.interception.context import current

Trace = Callable[[str, tuple[Any, ...]], Any]

_HUBS = ("gevent", "eventlet")
"""Their greenlets are started by a hub, on behalf of somebody else than whom it runs for."""

_listening = threading.local()


def listen() -> None:
    """Listens to this thread's greenlets, if the service has any; once a thread. Whoever listened before still hears of all."""
    greenlet: Any = sys.modules.get("greenlet")
    if greenlet is None or getattr(_listening, "on", False) or _has_hub():
        return
    try:
        greenlet.settrace(_following(greenlet.gettrace()))
        _listening.on = True
    except Exception:  # half imported, or a version without it: then they stay on their own
        return


def _following(before: Trace | None) -> Trace:
    def follow(event: str, args: tuple[Any, ...]) -> None:
        # Called in the greenlet switched to. What raises here would be raised there.
        try:
            if sys._getframe().f_back is None and current.get() is None:  # its first step, and nobody gave it a context
                origin, target = args
                context: Context | None = origin.gr_context
                if context is not None and target.gr_context is None and not _has_hub():
                    scope = context.get(current)
                    if scope is not None and not scope.over():
                        current.set(scope)
        except Exception:
            pass
        if before is not None:
            before(event, args)

    return follow


def _has_hub() -> bool:
    return any(name in sys.modules for name in _HUBS)
