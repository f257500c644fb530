"""Tapes made by hand, through the real encoder: what the recorder and the player would have written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autoplayback.tape.model import Call, End, Miss, Outcome, Playback, Tape, TargetNote
from autoplayback.tape.values import Encoder

POSITIONAL_OR_KEYWORD = 1


@dataclass(frozen=True)
class Raises:
    """An outcome: the operation or call raised."""

    error: BaseException


@dataclass(frozen=True)
class Sent:
    """One call of an output."""

    name: str
    args: dict[str, Any]
    role: str = "output"
    result: Any = None


def encoded(value: Any) -> bytes:
    """A value's document."""
    return Encoder().encode(value)


def outcome(value: Any) -> Outcome:
    """How it ended."""
    if isinstance(value, Raises):
        return Outcome(End.RAISED, encoded(value.error))
    return Outcome(End.RETURNED, encoded(value))


def tape(
    result: Any,
    *sent: Sent,
    shape: str = "function",
    playback: Playback | None = None,
    metadata: dict[str, Any] | None = None,
    duration: int = 1_000_000,
    id: str = "01JD0000000000000000000001",
    operation: str = "place_order",
) -> Tape:
    """A recorded tape."""
    target = TargetNote(operation, "operation", "orders.checkout", "Checkout.place", (("order", POSITIONAL_OR_KEYWORD),))
    calls = tuple(
        Call(
            seq,
            TargetNote(s.name, s.role, "orders.io", s.name, tuple((name, POSITIONAL_OR_KEYWORD) for name in s.args)),
            None,
            Encoder().arguments(tuple(s.args.values()), {}),
            outcome(s.result),
            seq * 1000,
            500,
        )
        for seq, s in enumerate(sent)
    )
    return Tape(
        id,
        operation,
        target,
        shape,
        1_700_000_000_000_000_000,
        duration,
        7,
        None,
        Encoder().arguments(({"id": 1},), {}),
        calls,
        outcome(result),
        metadata or {},
        playback=playback,
    )


def replay(result: Any, *sent: Sent, misses: Sequence[Miss] = (), ran: bool = True, unused: int = 0, **more: Any) -> Tape:
    """A replayed tape, with its proof."""
    proof = Playback(
        answered=len(sent),
        unused=unused,
        unanswered=sum(miss.kind == "unanswered" for miss in misses),
        misses=tuple(misses),
        matched=tuple((seq, seq, "exact") for seq in range(len(sent))),
        boundary=("audit hook",),
        ran=ran,
    )
    return tape(result, *sent, playback=proof, **more)
