"""A tape as a value: frozen, complete, and readable without the service's code.

Every recorded value stands here as an encoded document (`bytes`, see `values` and FORMAT.md), decoded only where somebody
looks: `values.inspect` gives inert trees for reports, `values.rebuild` objects for the player.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Scalar = None | bool | int | float | str
"""What metadata may hold: what `--where` can compare."""


class End(str, Enum):
    """How a call or an operation ended."""

    RETURNED = "returned"
    RAISED = "raised"
    CLOSED = "closed"
    """A stream whose consumer stopped before its end."""
    UNFINISHED = "unfinished"
    """The operation ended first: there is no answer on the tape."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: a value, an exception, or a stream's items with how it ended. Return and raise travel alike."""

    end: End
    value: bytes = b""
    """The encoded return value, or the encoded exception where `end` is RAISED; empty where CLOSED or UNFINISHED."""
    items: tuple[bytes, ...] | None = None
    """A stream's encoded items in the order they passed; None where the call isn't a stream."""


@dataclass(frozen=True, slots=True)
class TargetNote:
    """What a tape remembers of a target, so that its calls can be read without its code."""

    name: str
    role: str
    module: str
    qualname: str
    parameters: tuple[tuple[str, int], ...] = ()
    """Names and kinds (`inspect.Parameter.kind` as an int) without self; empty where the signature couldn't be read."""


@dataclass(frozen=True, slots=True)
class HandleNote:
    """A live object (connection, cursor, response) that calls of this tape were made on."""

    id: int
    name: str
    """The name of the target that made it."""
    type: str
    """`module:qualname` of its class."""
    made_by: int | None
    """The `seq` of the call which returned it; None where it is older than the operation (a pooled connection)."""
    arguments: bytes = b""
    """Of the call that made it, where that isn't on this tape: by name and arguments a replay finds it again."""


@dataclass(frozen=True, slots=True)
class Call:
    """One intercepted invocation inside an operation."""

    seq: int
    """Its place in the order of starts, from 0, over all threads and tasks of the operation."""
    target: TargetNote
    receiver: int | None
    """The id of the handle it was called on."""
    arguments: bytes
    """An encoded document `[positional list, keyword map]`, as the caller passed them."""
    outcome: Outcome
    started: int
    """Nanoseconds since the operation's start."""
    duration: int
    """Nanoseconds."""


@dataclass(frozen=True, slots=True)
class Miss:
    """One thing the code under test asked and the tape could not answer."""

    kind: str
    """`unanswered` (a declared call which is not on the tape), `undeclared` (I/O the sandbox refused) or `overread` (a
    stream read on past where the recorded reader stopped)."""
    target: str
    """The target's name, or for undeclared I/O what was attempted: `socket.connect`, `open`, `subprocess.Popen`."""
    reason: str
    """One sentence: what was asked, and why it has no answer."""
    site: str = ""
    """`file:line in function` of the service's own frame that asked."""
    nearest: str = ""
    """The nearest recorded call and what differs from it."""
    advice: str = ""
    """The YAML that would declare or relax it."""
    at: int = 0
    """How many calls had been answered before it."""


@dataclass(frozen=True, slots=True)
class Playback:
    """The proof of a replay: what was answered from where, and what could not be. On replayed tapes only."""

    answered: int
    """Calls whose answer came from the recorded tape."""
    unused: int
    """Recorded calls which the replay never asked for."""
    unanswered: int
    misses: tuple[Miss, ...] = ()
    """In order; the first is what went wrong first."""
    unused_calls: tuple[int, ...] = ()
    """The recorded `seq` of the calls never asked for (at most 100)."""
    matched: tuple[tuple[int, int, str], ...] = ()
    """(replayed seq, recorded seq, tier) for each answered call: `exact`, `relaxed`, `order`, `configured`."""
    boundary: tuple[str, ...] = ()
    """What closed this replay off: `network namespace`, `landlock`, `seccomp`, `audit hook`."""
    began: int = 0
    ended: int = 0
    """When the operation began and ended by the replay's own clock, in ns since the epoch: what counts as its «now»."""
    cpu: int = 0
    """Nanoseconds of processor time that the operation took, all threads."""
    ran: bool = False
    """Whether the operation's own code was really entered."""
    raised: str = ""
    """`file:line in function` of the service's own frame that the operation's exception came from; of an answer of 5xx that of
    the exception which a web framework caught, with its class."""
    lanes: tuple[int, ...] = ()
    """Per replayed call the thread or task that made it: 0 is the operation's own, others are numbered in the order of their
    first calls; empty where the operation's own made them all."""


@dataclass(frozen=True, slots=True)
class Tape:
    """One operation, recorded or replayed."""

    id: str
    """A ULID: sortable by start, unique."""
    operation: str
    target: TargetNote
    shape: str
    """`interception.target.Shape` of the entry point: how a replay calls it."""
    started: int
    """Nanoseconds since the epoch."""
    duration: int
    """Nanoseconds of wall time."""
    seed: int
    """Of the generator which `random` drew from inside the operation."""
    receiver: bytes | None
    """The encoded state of `self`, where the config says `instance: recorded`."""
    arguments: bytes
    """An encoded document `[positional list, keyword map]`."""
    calls: tuple[Call, ...]
    """In order of start."""
    outcome: Outcome
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    """python, platform, hash seed, service, code version, pid, host, time zone, and the like."""
    notes: tuple[tuple[str, Any], ...] = ()
    """What the service said through `autoplayback.note`."""
    handles: tuple[HandleNote, ...] = ()
    opaque: tuple[str, ...] = ()
    """Types of values which could not be encoded and stand on the tape as inert leaves."""
    playback: Playback | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A tape's row in an index: everything `list` and the filters need, without reading the tape."""

    tape: str
    operation: str
    started: int
    """Nanoseconds since the epoch."""
    seconds: float
    outcome: str
    """`returned` or `raised`."""
    calls: int
    bytes: int
    """Of the compressed tape in its segment."""
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
