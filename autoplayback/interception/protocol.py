"""The one seam between how a function is wrapped and what is then done: the Interceptor.

The wrappers know functions, coroutines and generators and nothing of tapes; the recorder and the player know tapes and
nothing of wrapping. For each intercepted call a wrapper asks its interceptor for a Passage:

    passage = interceptor.call(target, receiver, args, kwargs)
    if passage is None: call the original as if we weren't there
    if passage.answer is not None: give the caller this, never calling the original         (the player)
    otherwise: run the original with `current` set to passage.scope; tell the passage       (the recorder)
               what came of it through returned / raised / yielded / ended

An interceptor never raises into the host, but for the player's `Diverged`, which is the point of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from autoplayback.interception.context import Scope
from autoplayback.interception.target import Target


@dataclass(slots=True)
class Answer:
    """What the player gives in place of a call. A stream gives `items`, then raises or returns; else it raises or returns.

    `items` may be lazy and may itself raise `Diverged`, when the code under test reads on where the recorded reader stopped.
    """

    value: Any = None
    error: BaseException | None = None
    items: Iterable[Any] | None = None
    pending: Callable[[], Awaitable[None]] | None = None
    """Of a coroutine: what is to be awaited first, so that it ends among others when it did."""


class Passage(Protocol):
    """One intercepted call on its way. Each is ended once, by `returned`, `raised` or (a stream) `ended`."""

    @property
    def scope(self) -> Scope:
        """What `current` is set to while the original, or one step of its stream, runs."""

    @property
    def answer(self) -> Answer | None:
        """Given: the original isn't called."""

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Replaces the arguments noted at the start: a request's body is known only once it has been read."""

    def returned(self, value: Any) -> Any:
        """Notes the result; what comes back is given to the caller: `value` itself, or a handle around it."""

    def raised(self, error: BaseException) -> None:
        """Notes that the call raised; the wrapper raises the same object on."""

    def yielded(self, item: Any) -> Any:
        """Notes one item of a stream as it passes; what comes back is given to the caller."""

    def ended(self, value: Any = None, error: BaseException | None = None, *, closed: bool = False) -> None:
        """Notes the end of a stream: it returned `value`, raised `error`, or its consumer stopped early (`closed`)."""


class Interceptor(Protocol):
    """What stands behind every wrapped function: the recorder, or the player."""

    def operation(self, target: Target, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage | None:
        """An entry point was called. None where it isn't the outermost one, or isn't sampled."""

    def call(self, target: Target, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage | None:
        """An input or output was called, `receiver` being the handle or instance it was called on. None outside operations."""


class ResultCodec:
    """A preset's way to put a call with a live result (a response whose body is still to be read) on the tape and back."""

    parameters: tuple[tuple[str, int], ...] = ()
    """Names and kinds of what `asked` gives, for Target.parameters."""

    def concerns(self, receiver: Any) -> bool:
        """Whether a call on this object is one of ours at all; else it goes straight through, on both sides."""
        return True

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What of the call identifies it: noted on the tape when recording, looked for when replaying.

        Replaying, nothing else will read a body that can be read only once: it is read here. Recording, `begun` listens to it."""
        return args, kwargs

    def begun(self, passage: Passage, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage:
        """Recording, before the original runs: may put a listening stand-in for a value into `kwargs`, which the original is
        then given; tells the passage its complete `arguments` as soon as they are known. Returns the passage to use."""
        return passage

    def opened(self, result: Any, passage: Passage) -> Any:
        """Recording: arranges that `passage` hears of each chunk (`yielded`) and of the end (`ended(head)`); returns what
        the caller gets, `result` itself wherever possible. Called in place of `passage.returned`.

        It first says `ended(head, closed=True)`, so that a result whose body nobody reads has its answer too."""
        return passage.returned(result)

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Replaying: makes the result again from the head (`answer.value`) and the chunks (`answer.items`)."""
        return answer.value

    def outside(self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Replaying, a call outside the operation (at import, say), which no tape can answer: a result that has nothing in
        it, where there is such a thing. Ellipsis where there isn't."""
        return ...

    def failed(self, error: BaseException, receiver: Any) -> BaseException:
        """Replaying a call that raised: the exception to raise, where the rebuilt one isn't it."""
        return error
