"""A tape of our own, played some times in a host before its first fork: what the player warms here, no child has to.

Warming is what CPython does to code as it runs (PEP 659 specializes it in place) and to the caches of types, and what the
player imports or makes when it first needs it. Each is a write to memory which children share until then.
"""

from __future__ import annotations

from autoplayback.interception import resolve, techniques
from autoplayback.interception.protocol import Interceptor
from autoplayback.interception.target import Declaration, Role, Target
from autoplayback.player import entry
from autoplayback.tape import payload, ulid
from autoplayback.tape.draft import Draft
from autoplayback.tape.model import End

TIMES = 20
"""CPython 3.11 to 3.13 specializes a function within its first dozens of calls; the tape has ten calls of each kind."""


def played(count: int) -> dict[str, object]:
    """The operation."""
    return {"asked": [asked(number, text="text") for number in range(count)], "told": [told({"n": 0}) for _ in range(count)]}


def asked(number: int, text: str = "") -> object:
    """The input."""
    raise NotImplementedError("answered from the tape")


def told(message: dict[str, object]) -> object:
    """The output."""
    raise NotImplementedError("answered from the tape")


class Rehearsal:
    """The three functions above, intercepted while the context lasts, and a recording of them."""

    operation = f"{__name__}:played"

    def __init__(self, interceptor: Interceptor) -> None:
        self.targets: list[Target] = []
        self._undo = []
        operation = Declaration(Role.OPERATION, self.operation)
        question = Declaration(Role.INPUT, f"{__name__}:asked")
        message = Declaration(Role.OUTPUT, f"{__name__}:told")
        for declaration in (operation, question, message):
            (located,) = resolve.find(declaration.target)
            held = techniques.hold(declaration, located, interceptor)
            self.targets += held.targets
            self._undo.append(held.undo)
        self.entry = entry.locate(operation)
        self.tape = _recorded(*self.targets)
        """As bytes."""

    def __enter__(self) -> Rehearsal:
        return self

    def __exit__(self, *_: object) -> None:
        for undo in self._undo:
            undo()


def _recorded(operation: Target, question: Target, message: Target) -> bytes:
    draft = Draft(ulid.new(), operation, 1, {"tz": "UTC"})
    encode = draft.encoder
    draft.arguments = encode.arguments((10,), {})
    for target, args, kwargs, answer in (
        *((question, (number,), {"text": "text"}, {"number": number, "when": None, "texts": ["a", "b"]}) for number in range(10)),
        *((message, ({"n": 0},), {}, "id") for _ in range(10)),
    ):
        call = draft.call(target, None, encode.arguments(args, kwargs))
        call.end, call.value = End.RETURNED, encode.encode(answer)
    draft.end, draft.value = End.RETURNED, encode.encode({})
    return payload.packed(draft)
