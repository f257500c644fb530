"""`files:`: parameters which hold paths. On the tape stand the files instead, as they were when the call began; and what a call
has written to them is part of its answer, so that a replay finds it where the service asked for it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from inspect import Parameter
from typing import Any

from autoplayback.errors import ReplayError
from autoplayback.interception.context import Scope, current
from autoplayback.interception.protocol import Answer, Passage, ResultCodec
from autoplayback.originals import time_ns
from autoplayback.tape.files import File, Wrote, paths, put, taken

RECENT = 100_000_000
"""Nanoseconds: a file this young may be written again without its times showing it, as kernels count those in coarse steps."""
LOOKED_INTO = 1 << 20
"""Bytes up to which such a file is read again; nobody writes a larger one twice within a step."""

Seen = tuple[object, ...] | None


class FileCodec(ResultCodec):
    """Puts files in the place of their paths."""

    def __init__(self, names: list[str], parameters: tuple[tuple[str, int], ...], limit: int) -> None:
        """`parameters` are the target's, `limit` the bytes up to which a file's content is kept."""
        self.parameters = parameters
        self.limit = limit
        self._names = names
        positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.VAR_POSITIONAL)
        self._kinds = dict(parameters)
        self._places = {name: at for at, (name, kind) in enumerate(parameters) if kind in positional}

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        positional, named = list(args), dict(kwargs)
        for name in self._names:
            if name in named:
                named[name] = self._noted(named[name])
            elif (at := self._places.get(name)) is not None:
                until = len(positional) if self._kinds[name] == Parameter.VAR_POSITIONAL else at + 1
                positional[at:until] = [self._noted(value) for value in positional[at:until]]
        return tuple(positional), named

    def begun(self, passage: Passage, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage:
        return _Watching(passage, [(name, path, _seen(path)) for name, path in self._named(args, kwargs)])

    def opened(self, result: Any, passage: Passage) -> Any:
        wrote = passage.wrote(self.limit) if isinstance(passage, _Watching) else {}
        passage.returned(Wrote(result, wrote) if wrote else result)
        return result

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        wrote = answer.value
        if not isinstance(wrote, Wrote):
            return wrote
        given: dict[str, list[str]] = {}
        for name, path in self._named(args, kwargs):
            given.setdefault(name, []).append(path)
        for name, files in wrote.files.items():
            for path, file in zip(given.get(name, ()), files, strict=False):
                if file is None:
                    continue
                if file.content is None:
                    raise ReplayError(
                        f"it wrote {file.size} bytes to {name}, of which the tape has only the digest: they were more than"
                        " limits.max_file_mb"
                    )
                put(path, file.content)
        return wrote.result

    def _noted(self, value: Any) -> Any:
        scope = current.get()
        began = scope.began if scope is not None else None
        files = [taken(path, self.limit, began) for path in paths(value)]
        if not files:
            return value
        return files if type(value) in (list, tuple) else files[0]

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """Each path of the call, with its parameter."""
        for name in self._names:
            values: tuple[Any, ...] = ()
            if name in kwargs:
                values = (kwargs[name],)
            elif (at := self._places.get(name)) is not None:
                values = args[at:] if self._kinds[name] == Parameter.VAR_POSITIONAL else args[at : at + 1]
            for value in values:
                for path in paths(value):
                    yield name, path


class _Watching:
    """A call on its way, and the files that it may write."""

    def __init__(self, passage: Passage, before: list[tuple[str, str, Seen]]) -> None:
        self._passage = passage
        self._before = before
        self.scope: Scope = passage.scope
        self.answer: Answer | None = passage.answer
        self.arguments = passage.arguments
        self.returned = passage.returned
        self.raised = passage.raised
        self.yielded = passage.yielded
        self.ended = passage.ended

    def wrote(self, limit: int) -> dict[str, list[File | None]]:
        """What is now in the files that the call has made or changed."""
        files: dict[str, list[File | None]] = {}
        for name, path, before in self._before:
            now = _seen(path, like=before)
            changed = now is not None and now != before
            files.setdefault(name, []).append(taken(path, limit) if changed else None)
        return {name: found for name, found in files.items() if any(file is not None for file in found)}


def _seen(path: str, like: Seen = None) -> Seen:
    """What changes when a file is written; None where there is no file. The content itself only where its times may not tell."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    facts = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    looked = len(like) > len(facts) if like is not None else time_ns() - found.st_mtime_ns < RECENT
    if not looked or found.st_size > LOOKED_INTO:
        return facts
    content = taken(path, LOOKED_INTO).content
    return (*facts, hashlib.sha256(content).digest() if content is not None else b"")

