"""The wrappers: four templates, one for each way a call can run, and the Site which each of them consults.

A template is ordinary code with a hole in it: the string constant "<site>". `filling` copies a template's code with a Site in
that hole, for a function (`inplace`) or for wrapt (`attributes`). So that the copy can run with any module's
globals, a template names nothing global, not even a builtin: whatever it needs is a local or hangs on its site.

The code's file name makes `warnings.warn(stacklevel=...)` and `logging` skip these frames as they skip the import
system's: both look for these two words (`warnings._is_internal_frame`), and a warning then still names its caller.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import Token
from typing import Any, TypeVar

from autoplayback.interception.context import Scope, current
from autoplayback.interception.greenlets import listen
from autoplayback.interception.protocol import Answer, Interceptor, Passage, ResultCodec
from autoplayback.interception.target import Role, Shape, Target

FILENAME = "<autoplayback: skipped by warnings and logging, like importlib._bootstrap>"

_Made = TypeVar("_Made", bound=Callable[..., Any])

Enter = Callable[[Target, Any, tuple[Any, ...], dict[str, Any]], Passage | None]

_OPEN = Scope()
"""What a site which must hear of every call is told that `current` is."""


def _always() -> Scope:
    return _OPEN


def _never() -> None:
    return None


def _anything(*args: Any, **kwargs: Any) -> None:
    return


def leave(token: Token[Scope | None]) -> None:
    """Sets `current` back; where a finalizer ends a coroutine in another context than its own, that context is left alone."""
    try:
        current.reset(token)
    except ValueError:
        pass


class Site:
    """One wrapped function: its target, its original and whom to tell. Slots, because templates read these on every call."""

    __slots__ = (
        "__weakref__",
        "async_stop",
        "base",
        "bind",
        "close",
        "enter",
        "get",
        "leave",
        "make",
        "opened",
        "original",
        "replay",
        "set",
        "skip",
        "stop",
        "stream",
        "target",
    )

    def __init__(
        self,
        target: Target,
        original: Callable[..., Any],
        interceptor: Interceptor | None,
        *,
        skip: int = 0,
        only: Callable[[Any], bool] | None = None,
        always: bool = False,
    ) -> None:
        self.target = target
        self.original = original
        self.skip = skip
        self.enter: Enter | None = None
        self.get: Callable[[], Scope | None] = current.get
        if interceptor is None:
            self.get = _never
        else:
            enter: Enter = entering(interceptor) if target.role is Role.OPERATION else interceptor.call
            if target.codec is not None:
                enter = _guided(enter, target.codec)
            self.enter = _filtered(enter, only) if only else enter
            if always or target.role is Role.OPERATION or getattr(interceptor, "outside", False):
                self.get = _always
        self.set = current.set
        self.leave = leave
        self.base = BaseException
        self.close = GeneratorExit
        self.stop = StopIteration
        self.async_stop = StopAsyncIteration
        self.bind: Callable[..., None] = _anything
        self.make = self._made
        self.opened = self._opener()
        self.replay = self._answered
        self.stream = self._streamed

    def __reduce__(self) -> Any:
        """A function pickled by value (cloudpickle) goes without us."""
        return _unintercepted, (self.original, self.skip)

    def _opener(self) -> Callable[[Any, Passage], Any] | None:
        codec = self.target.codec
        if codec is None:
            return None

        def opened(value: Any, passage: Passage) -> Any:
            try:
                return codec.opened(value, passage)
            except Exception as error:
                _faulty(self.target, error)
                return value

        return opened

    def _made(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.original(*args, **kwargs)

    def _answered(self, answer: Answer) -> Any:
        if answer.error is not None and answer.items is None:
            raise answer.error
        if answer.items is not None:
            return _items(answer)
        return answer.value

    def _streamed(self, answer: Answer) -> Any:
        if answer.items is not None:
            return _items(answer)
        return self._answered(answer)


def _items(answer: Answer) -> Generator[Any, Any, Any]:
    items: Any = answer.items
    value = yield from items
    if answer.error is not None:
        raise answer.error
    return answer.value if value is None else value


def entering(interceptor: Interceptor) -> Enter:
    """How operations begin: in a thread whose greenlets are heard of from then on."""
    operation = interceptor.operation

    def begin(target: Target, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage | None:
        listen()
        return operation(target, receiver, args, kwargs)

    return begin


def _filtered(enter: Enter, only: Callable[[Any], bool]) -> Enter:
    def chosen(target: Target, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage | None:
        return enter(target, receiver, args, kwargs) if only(receiver) else None

    return chosen


def _guided(enter: Enter, codec: ResultCodec) -> Enter:
    """What a codec has a say in before the original runs."""

    def guided(target: Target, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage | None:
        try:
            if not codec.concerns(receiver):
                return None
        except Exception as error:
            _faulty(target, error)
            return None
        passage = enter(target, receiver, args, kwargs)
        if passage is None or passage.answer is not None:
            return passage
        try:
            return codec.begun(passage, receiver, args, kwargs)
        except Exception as error:
            _faulty(target, error)
            return passage

    return guided


def _faulty(target: Target, error: Exception) -> None:
    """A codec reads a library's own state, which another version may not have: the service goes on without us."""
    from autoplayback.interception.faults import report

    report(f"the codec of {target.name}", error)


def _unintercepted(original: Callable[..., Any], skip: int) -> Site:
    return Site(Target(Role.INPUT, "", "", ""), original, None, skip=skip)


def function(*args: Any, **kwargs: Any) -> Any:
    site: Any = "<site>"
    scope = site.get()
    skip = site.skip
    if scope is None or scope.closed or (skip and not args):
        return site.original(*args, **kwargs)
    passage = site.enter(site.target, args[skip - 1] if skip else None, args[skip:] if skip else args, kwargs)
    if passage is None:
        return site.original(*args, **kwargs)
    if passage.answer is not None:
        return site.replay(passage.answer)
    token = site.set(passage.scope)
    try:
        value = site.original(*args, **kwargs)
    except site.base as error:
        site.leave(token)
        passage.raised(error)
        raise
    site.leave(token)
    if site.opened is not None:
        return site.opened(value, passage)
    return passage.returned(value)


def maker(*args: Any, **kwargs: Any) -> Any:
    # Runs at a call of a coroutine or generator function, whose code waits for the first step: wrong arguments are refused now.
    site: Any = "<site>"
    site.bind(*args, **kwargs)
    return site.make(args, kwargs)


async def coroutine(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    site: Any = "<site>"
    scope = site.get()
    skip = site.skip
    if scope is None or scope.closed or (skip and not args):
        return await site.original(*args, **kwargs)
    passage = site.enter(site.target, args[skip - 1] if skip else None, args[skip:] if skip else args, kwargs)
    if passage is None:
        return await site.original(*args, **kwargs)
    if passage.answer is not None:
        if passage.answer.pending is not None:
            await passage.answer.pending()
        return site.replay(passage.answer)
    token = site.set(passage.scope)
    try:
        value = await site.original(*args, **kwargs)
    except site.base as error:
        site.leave(token)
        passage.raised(error)
        raise
    site.leave(token)
    if site.opened is not None:
        return site.opened(value, passage)
    return passage.returned(value)


def generator(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Generator[Any, Any, Any]:
    site: Any = "<site>"
    scope = site.get()
    skip = site.skip
    passage = None
    if scope is not None and not scope.closed and (args or not skip):
        passage = site.enter(site.target, args[skip - 1] if skip else None, args[skip:] if skip else args, kwargs)
    if passage is None:
        return (yield from site.original(*args, **kwargs))
    if passage.answer is not None:
        return (yield from site.stream(passage.answer))
    stream = site.original(*args, **kwargs)
    step, argument, closed = stream.send, None, False
    while True:
        token = site.set(passage.scope)  # around each step only: across a suspension it would leak into the consumer
        try:
            item = step(argument)
        except site.stop as stop:
            site.leave(token)
            passage.ended(stop.value, closed=closed)
            return stop.value
        except site.base as error:
            site.leave(token)
            if closed:
                passage.ended(closed=True)
            else:
                passage.ended(error=error)
            raise
        finally:
            argument = None  # a thrown exception's traceback holds this frame: keep no cycle
        site.leave(token)
        item = passage.yielded(item)
        try:
            argument = yield item
            step = stream.send
        except site.close as error:
            step, argument, closed = stream.throw, error, True
        except site.base as error:
            step, argument = stream.throw, error


async def async_generator(args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncGenerator[Any, Any]:
    site: Any = "<site>"
    scope = site.get()
    skip = site.skip
    passage = None
    if scope is not None and not scope.closed and (args or not skip):
        passage = site.enter(site.target, args[skip - 1] if skip else None, args[skip:] if skip else args, kwargs)
    if passage is not None and passage.answer is not None:
        for item in site.stream(passage.answer):
            yield item
        return
    stream = site.original(*args, **kwargs)
    step, argument, closed = stream.asend, None, False
    while True:
        token = site.set(passage.scope) if passage is not None else None
        try:
            item = await step(argument)
        except site.async_stop:
            if passage is not None:
                site.leave(token)
                passage.ended(closed=closed)
            return
        except site.base as error:
            if passage is not None:
                site.leave(token)
                if closed:
                    passage.ended(closed=True)
                else:
                    passage.ended(error=error)
            raise
        finally:
            argument = None
        if passage is not None:
            site.leave(token)
            item = passage.yielded(item)
        try:
            argument = yield item
            step = stream.asend
        except site.close as error:
            step, argument, closed = stream.athrow, error, True
        except site.base as error:
            step, argument = stream.athrow, error


def unseen(function: _Made) -> _Made:
    """Gives a function that stands between a caller and the original the file name that warnings and logging skip."""
    made: Any = function
    made.__code__ = made.__code__.replace(co_filename=FILENAME)
    return function


@unseen
def relay(wrapped: Callable[..., Any], instance: Any, /, *args: Any, **kwargs: Any) -> Any:
    """The original of a site behind wrapt, whose wrapper is given the bound original and its instance with every call."""
    return wrapped(*args, **kwargs)


TEMPLATES: dict[Shape, Callable[..., Any]] = {
    Shape.FUNCTION: function,
    Shape.COROUTINE: coroutine,
    Shape.GENERATOR: generator,
    Shape.ASYNC_GENERATOR: async_generator,
}
