"""Celery as its callers see it: sending a task acts on the world, and so does a retry; a result is read from the tape.

What goes over the broker, and how often its connection is made or looked at, is left out. Tasks themselves are operations:
`celery: module:app`.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from autoplayback.interception.protocol import ResultCodec
from autoplayback.presets import PresetTarget

if TYPE_CHECKING:
    from autoplayback.interception.protocol import Answer, Passage

_PLACE = int(inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = int(inspect.Parameter.VAR_KEYWORD)
_ROUTINE = frozenset(
    {"task_id", "producer", "connection", "router", "add_to_parent", "task_type", "root_id", "parent_id", "shadow"}
    | {"redelivered", "reply_to"}
)
"""Options which name this very message or the way it goes, rather than what is asked for."""


class SendCodec(ResultCodec):
    """`Task.apply_async`, below `delay`, `retry` and signatures; and `Celery.send_task`, for a task known by name only."""

    parameters = (("task", _PLACE), ("args", _PLACE), ("kwargs", _PLACE), ("options", _NAMED))

    def concerns(self, receiver: Any) -> bool:
        application = getattr(receiver, "app", receiver)
        return not application.conf.task_always_eager  # then the task runs here and now, and what it does is the operation's

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        given = dict(kwargs)
        rest = list(args)
        name = receiver.name if hasattr(receiver, "apply_async") else rest.pop(0) if rest else given.pop("name")
        sent = [rest.pop(0) if rest else given.pop(part, None) for part in ("args", "kwargs")]
        return (name, list(sent[0] or ()), dict(sent[1] or {})), _options(given)

    def opened(self, result: Any, passage: Passage) -> Any:
        passage.returned(result.id)
        return result

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return getattr(receiver, "app", receiver).AsyncResult(answer.value)


class MetaCodec(ResultCodec):
    """What a backend knows of a task."""

    parameters = (("task_id", _PLACE),)

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (args[0] if args else kwargs["task_id"],), {}

    def opened(self, result: Any, passage: Passage) -> Any:
        passage.returned({name: value for name, value in result.items() if name != "children"})
        return result


class WaitCodec(ResultCodec):
    """`AsyncResult.get`, which gives what the task returned, or raises what it raised."""

    parameters = (("task_id", _PLACE),)

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (receiver.id,), {}


def _options(given: dict[Any, Any]) -> dict[str, Any]:
    """Options as the data that they are, without what is empty or a message's own, which a retry has in its headers too."""
    kept = {}
    for key, part in given.items():
        if key not in _ROUTINE:
            kept[str(key)] = _options(part) if key == "headers" and isinstance(part, dict) else _plain(part)
    return _filled(kept)


def _plain(value: Any) -> Any:
    """The same of a signature within (`link`, `chain`); what it gives to its task is kept as it is."""
    if isinstance(value, dict):
        parts = {str(key): _plain(part) for key, part in value.items()}
        if "task" in parts and isinstance(value.get("options"), dict):
            return _filled({**parts, "options": _options(value["options"])})
        return parts
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value


def _filled(parts: dict[str, Any]) -> dict[str, Any]:
    # By its type: to ask an object of the service's whether it equals nothing runs its code.
    return {key: part for key, part in parts.items() if part is not None and (type(part) not in (list, dict) or part)}


def _sent(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return True


SEND = SendCodec()
TARGETS = (
    PresetTarget("celery.app.task:Task.apply_async", "celery.send", codec=SEND, acts=_sent),
    PresetTarget("celery.app.base:Celery.send_task", "celery.send", codec=SEND, acts=_sent),
    PresetTarget("celery.result:AsyncResult.get", "celery.get", codec=WaitCodec(), trusts=("celery",)),
    PresetTarget("celery.backends.base:Backend.get_task_meta", "celery.meta", codec=MetaCodec(), trusts=("celery",)),
    PresetTarget("celery.result:AsyncResult.forget", "celery.forget", codec=WaitCodec(), acts=_sent),
)
