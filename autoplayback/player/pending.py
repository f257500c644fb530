"""When an answer comes: calls that were under way together end in the order in which they did, and what was cancelled waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from autoplayback.interception.protocol import Answer
from autoplayback.player.clock import Clock
from autoplayback.tape.model import Call, Tape

CANCELLED = 60.0
"""Seconds, by the virtual clock, after which a call that was cancelled when it was recorded gives up waiting for that."""


def overlapping(tape: Tape) -> bool:
    """Whether a call began before another had ended. Streams don't count: others are made while one is read."""
    until = 0
    for call in tape.calls:
        if call.outcome.items is None:
            if call.started < until:
                return True
            until = max(until, call.started + call.duration)
    return False


def pending(clock: Clock, call: Call, answer: Answer, *, together: bool) -> Callable[[], Awaitable[None]] | None:
    """What the answer to a coroutine awaits first. `together`: other calls were under way meanwhile."""
    import asyncio  # not at the top: a replay of a service without it would carry it along

    instant = clock.started + call.started + call.duration
    cancelled = isinstance(answer.error, asyncio.CancelledError)

    async def due() -> None:
        seconds = (instant - clock.now) / 1e9 + (CANCELLED if cancelled else 0)
        if seconds > 0:
            await asyncio.sleep(seconds)

    if (together or cancelled) and isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        return due  # another loop's timers aren't the virtual clock's: it would really wait
    clock.reach(call.started + call.duration)
    return None

