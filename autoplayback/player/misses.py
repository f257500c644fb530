"""What went wrong, so that it can be acted on: the question, the nearest recorded one, the place in the service, the YAML."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from autoplayback.interception.target import Role, Target
from autoplayback.player.matching import Group
from autoplayback.tape.canonical import canonical_inert
from autoplayback.tape.model import Call, End, Miss
from autoplayback.tape.render import apart
from autoplayback.tape.values import Inert, Tagged, named, render

OURS = str(Path(__file__).resolve().parent.parent) + "/"
INSTALLED = tuple({str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
STANDARD = str(Path(sysconfig.get_path("stdlib")).resolve()) + "/"
NEAR = 200
"""Recorded calls looked at for the nearest one: enough for people, bounded for a tape of a hundred thousand."""
DEPTH = 50
"""How deep into two arguments a difference is looked for; below, it is named as a whole."""
MISSING: Any = object()
SHOWN = 5
"""Differing fields that a miss names."""
SHORT = 60
"""Characters of a value in a sentence."""
KEPT = """\
# Had production the answer from an earlier operation (a cache, a client made once)? Then declare the function that keeps it
# as the input: each operation's tape has the answer then. Or, for this one:"""


def service_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of the service's own code: neither ours, nor the standard library's, nor an installed package's.

    Where there is none (an installed package is itself the code under test), the innermost which isn't ours.
    """
    fallback = None
    while frame is not None:
        path = frame.f_code.co_filename
        if not path.startswith((OURS, "<frozen")):
            if not path.startswith((*INSTALLED, "<")):
                return frame
            if fallback is None and not path.startswith((STANDARD, "<")):
                fallback = frame
        frame = frame.f_back
    return fallback


def raised_at(error: BaseException) -> str:
    """Where an exception came from: its innermost frame of the service's own code, as `describe` puts it.

    Told by its traceback, since frames that were left don't know their callers any more.
    """
    found = fallback = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith((OURS, "<")):
            where = f"{relative(code)}:{trace.tb_lineno} in {code.co_qualname}"
            if not code.co_filename.startswith(INSTALLED):
                found = where
            elif not code.co_filename.startswith(STANDARD):
                fallback = where
        trace = trace.tb_next
    return found or fallback


def describe(frame: FrameType | None) -> str:
    """`file:line in function`, the file as seen from the working directory."""
    if frame is None:
        return ""
    return f"{relative(frame.f_code)}:{frame.f_lineno} in {frame.f_code.co_qualname}"


def relative(code: CodeType) -> str:
    """The file of some code, short where it lies below the working directory."""
    try:
        return str(Path(code.co_filename).relative_to(Path.cwd()))
    except (OSError, ValueError):
        return code.co_filename


def unanswered(target: Target, receiver: int | None, arguments: bytes, group: Group, at: int) -> Miss:
    """The miss for a declared call that no recorded one answers."""
    asked = named(arguments, target.parameters)
    total, used = len(group.calls), len(group.taken)
    shown = f"{target.name}({summary(asked)})"
    nearest, ways = "", [f"{group_name(target)}:", *entry(target)]
    candidates = list(near(asked, receiver, target, group))
    if not total:
        reason = f"{shown} was asked, but the recorded operation never called {target.name}"
        ways.insert(0, KEPT)
    elif target.role is Role.OUTPUT and candidates:
        reason = f"{shown} was called once more than recorded: all {used} of {total} recorded calls are used up"
        nearest = f"call #{group.calls[-1].seq}, the last recorded one"
    elif not candidates:
        reason = f"{shown} was asked on another {target.name.rpartition('.')[0]} than any recorded call; {used} of {total} used"
    else:
        call, fields = min(candidates, key=lambda pair: (len(pair[1]), pair[0].seq in group.taken, pair[0].seq))
        if not fields:
            same = sum(1 for _, others in candidates if not others)
            reason = f"{shown} was asked once more than recorded: all {same} of {same} calls with these arguments are used up"
            nearest = f"call #{call.seq}, with the same arguments, already used"
        else:
            reason = f"{shown} was asked, but was recorded only with other arguments; {used} of {total} recorded calls used"
            differing = "; ".join(f"{path}: recorded {old}, now {new}" for path, old, new in fields[:SHOWN])
            more = f"; and {len(fields) - SHOWN} more" if len(fields) > SHOWN else ""
            state = "already used" if call.seq in group.taken else "not used"
            nearest = f"call #{call.seq} ({state}) differs in {differing}{more}"
            roots = sorted({path.partition(".")[0].partition("[")[0].lstrip("*") for path, _, _ in fields})
            if len(roots) < len(asked):
                ways.append(f"    ignore: [{', '.join(roots)}]   # answers it with call #{call.seq}, where these don't matter")
    ways.append("    on_missing: call   # or {return: ...}; or record the operation again with this code")
    return Miss("unanswered", target.name, reason, describe(service_frame(sys._getframe(1))), nearest, "\n".join(ways), at)


def unfinished(target: Target, call: Call, at: int) -> Miss:
    """The miss for a call whose recorded twin had no outcome yet when its operation ended."""
    return Miss(
        "unanswered",
        target.name,
        f"{target.name} was still running when the recorded operation ended: its tape holds no answer",
        describe(service_frame(sys._getframe(1))),
        f"call #{call.seq} is {End.UNFINISHED.value}",
        "\n".join([f"{group_name(target)}:", *entry(target), "    on_missing: call   # or {return: ...}"]),
        at,
    )


def withheld(target: Target, call: Call, reason: str, at: int) -> Miss:
    """The miss for a recorded call whose answer isn't whole on the tape."""
    return Miss(
        "unanswered",
        target.name,
        f"{target.name} can't be answered: {reason}",
        describe(service_frame(sys._getframe(1))),
        f"call #{call.seq}",
        "\n".join([f"{group_name(target)}:", *entry(target), "    on_missing: call   # or {return: ...}"]),
        at,
    )


def overread(target: Target, call: Call, items: int, at: int) -> Miss:
    """The miss for a stream that is read on past where the recorded reader stopped."""
    return Miss(
        "overread",
        target.name,
        f"{target.name} is read on past item {items}, where the recorded reader stopped",
        describe(service_frame(sys._getframe(1))),
        f"call #{call.seq} has {items} items and its reader closed it",
        "# the tape can't know what would have come next: record the operation again with this code",
        at,
    )


def undeclared(event: str, what: str, frame: FrameType | None, at: int) -> Miss:
    """The miss for I/O which no declaration covers and the sandbox refused."""
    site = service_frame(frame)
    advice = "# declare the function that does it as an input (answered from the tape) or an output (compared)"
    if site is not None:
        module, qualname = site.f_globals.get("__name__", "?"), site.f_code.co_qualname
        role = "outputs" if writes(event) else "inputs"
        if "<" not in qualname and module != "__main__":
            advice = f"{role}:\n  - target: {module}:{qualname}"
    return Miss(
        "undeclared",
        event,
        f"{event}({what}) is not declared, and a replay touches nothing outside its tape",
        describe(site),
        "",
        advice,
        at,
    )


def importing(frame: FrameType | None) -> bool:
    """Whether a frame belongs to the import of a module."""
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_back is not None and "importlib" in frame.f_back.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def writes(event: str) -> bool:
    """Whether an audit event is about acting on the world rather than asking it."""
    return not event.startswith(("socket.get", "open(read)", "os.listdir", "os.scandir", "socket.connect"))


def near(
    asked: dict[str, Inert], receiver: int | None, target: Target, group: Group
) -> Iterator[tuple[Call, list[tuple[str, str, str]]]]:
    """Recorded calls of the same target with the fields, by path, in which they differ from what was asked."""
    for call in group.calls[:NEAR]:
        if (call.receiver is None) == (receiver is None):
            recorded = named(call.arguments, call.target.parameters or target.parameters)
            yield call, list(fields(recorded, asked))


def fields(recorded: Any, asked: Any, path: str = "", depth: int = DEPTH) -> Iterator[tuple[str, str, str]]:
    """The leaves in which two inert values differ: (path, recorded, asked), short."""
    if recorded is MISSING or asked is MISSING:
        old, new = ("nothing" if side is MISSING else render(side, SHORT) for side in (recorded, asked))
        yield path, old, new
        return
    if canonical_inert(recorded) == canonical_inert(asked):
        return
    if isinstance(recorded, Tagged) and isinstance(asked, Tagged) and recorded.kind == asked.kind and recorded.type == asked.type:
        recorded, asked = recorded.value, asked.value
    if depth and isinstance(recorded, dict) and isinstance(asked, dict) and len(recorded) < NEAR:
        for key in [*recorded, *(key for key in asked if key not in recorded)]:
            below = f"{path}.{key}" if path else str(key)
            yield from fields(recorded.get(key, MISSING), asked.get(key, MISSING), below, depth - 1)
    elif depth and isinstance(recorded, list) and isinstance(asked, list) and len(recorded) == len(asked) < NEAR:
        for index, (old, new) in enumerate(zip(recorded, asked, strict=True)):
            yield from fields(old, new, f"{path}[{index}]", depth - 1)
    else:
        old, new = apart(recorded, asked, SHORT)
        yield path, old, new


def summary(arguments: dict[str, Inert]) -> str:
    """The arguments of a call for a sentence."""
    text = ", ".join(f"{name}={render(value, 40)}" for name, value in arguments.items())
    return text if len(text) <= 160 else text[:159] + "…"


def group_name(target: Target) -> str:
    """The section of the YAML that a target is declared in."""
    return "outputs" if target.role is Role.OUTPUT else "inputs"


def entry(target: Target) -> list[str]:
    """The first lines of a target's entry in the YAML, as its owner wrote it."""
    preset = getattr(target.settings, "preset", None)
    written = getattr(target.settings, "target", None) or f"{target.module}:{target.qualname}"
    return [f"  - preset: {preset}" if preset else f"  - target: {written}"]
