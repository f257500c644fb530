"""An Interceptor that writes down what it hears: the protocol's other side, for looking at interception alone."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from autoplayback.interception.context import Muted, Scope, current
from autoplayback.interception.target import Target


@dataclass
class Heard:
    """One call or operation, and what came of it."""

    target: Target
    receiver: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    seq: int
    items: list[Any] = field(default_factory=list)
    end: str = "unfinished"
    value: Any = None
    ended: int = 0

    @property
    def name(self) -> str:
        return self.target.name


class OperationScope(Scope):
    """An operation's page."""

    __slots__ = ("calls", "heard", "muted")

    def __init__(self, heard: Heard) -> None:
        super().__init__()
        self.heard = heard
        self.calls: list[Heard] = []
        self.muted = Muted(self)


class Noting:
    """A passage that writes into a Heard."""

    answer = None

    def __init__(self, heard: Heard, scope: Scope, page: OperationScope | None = None) -> None:
        self.heard = heard
        self.scope = scope
        self._page = page

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.heard.args, self.heard.kwargs = args, kwargs

    def returned(self, value: Any) -> Any:
        self._end("returned", value)
        return value

    def raised(self, error: BaseException) -> None:
        self._end("raised", error)

    def yielded(self, item: Any) -> Any:
        self.heard.items.append(item)
        return item

    def ended(self, value: Any = None, error: BaseException | None = None, *, closed: bool = False) -> None:
        self._end("closed" if closed else "raised" if error is not None else "returned", error if error is not None else value)

    def _end(self, end: str, value: Any) -> None:
        self.heard.end, self.heard.value = end, value
        self.heard.ended += 1
        if self._page is not None:
            self._page.closed = True


class Notebook:
    """Hears operations and their calls; `pages` are the operations in order of their start."""

    outside = False

    def __init__(self) -> None:
        self.pages: list[OperationScope] = []
        self._count = itertools.count()

    def operation(self, target: Target, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Noting | None:
        outer = current.get()
        if outer is not None and not outer.over():
            return None
        page = OperationScope(Heard(target, receiver, args, dict(kwargs), next(self._count)))
        self.pages.append(page)
        return Noting(page.heard, page, page)

    def call(self, target: Target, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Noting | None:
        page = current.get()
        assert isinstance(page, OperationScope), "asked outside an operation"
        heard = Heard(target, receiver, args, dict(kwargs), next(self._count))
        page.calls.append(heard)
        return Noting(heard, page.muted)

    def open(self) -> Any:
        """Lets the code of a `with` block be an operation; gives its page."""
        return _Open(self)

    @property
    def calls(self) -> list[Heard]:
        """The calls of all operations."""
        return [call for page in self.pages for call in page.calls]


class _Open:
    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook

    def __enter__(self) -> OperationScope:
        from autoplayback.interception.target import Role

        page = OperationScope(Heard(Target(Role.OPERATION, "test", "", ""), None, (), {}, -1))
        self._notebook.pages.append(page)
        self._page = page
        self._token = current.set(page)
        return page

    def __exit__(self, *exc_info: object) -> None:
        current.reset(self._token)
        self._page.closed = True
