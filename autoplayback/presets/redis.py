"""Redis, sync and asyncio: a command is a call, and so is a whole pipeline; no connection is made at replay.

A lock's token, and with it every argument that is drawn at random, repeats at replay, since random numbers do.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from autoplayback.interception.protocol import ResultCodec
from autoplayback.presets import PresetTarget, _acts

if TYPE_CHECKING:
    from autoplayback.interception.protocol import Answer

_POSITIONAL, _REST = int(inspect.Parameter.POSITIONAL_OR_KEYWORD), int(inspect.Parameter.VAR_POSITIONAL)


class CommandCodec(ResultCodec):
    """One command. The options beside it say how to read the answer, and don't identify the call."""

    parameters = (("command", _POSITIONAL), ("arguments", _REST))

    def concerns(self, receiver: Any) -> bool:
        return not hasattr(receiver, "command_stack")  # of a pipeline this only puts a command aside

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return args, {}


class ImmediateCodec(CommandCodec):
    """A pipeline's command between WATCH and MULTI, which is sent at once."""

    def concerns(self, receiver: Any) -> bool:
        return True

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = str(args[0]).upper() if args else ""
        if name in ("WATCH", "UNWATCH"):
            receiver.watching = name == "WATCH"
        return answer.value


class PipelineCodec(ResultCodec):
    """A pipeline's execution, identified by its commands."""

    parameters = (("commands", _POSITIONAL), ("transaction", _POSITIONAL))

    def asked(
        self, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, replaying: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        commands = [list(entry[0] if isinstance(entry, tuple) else entry.args) for entry in receiver.command_stack]
        transaction = getattr(receiver, "transaction", None) or getattr(receiver, "is_transaction", None)
        return (commands, bool(transaction or receiver.explicit_transaction)), {}

    def closed(self, answer: Answer, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        _forget(receiver)
        return answer.value

    def failed(self, error: BaseException, receiver: Any) -> BaseException:
        _forget(receiver)
        return error


class ResetCodec(ResultCodec):
    """The end of a pipeline: it speaks to the server only where that still watches keys, else it is the pipeline's own affair.

    Also because a pipeline's finalizer calls it, whenever the collector comes and in whatever operation that happens to be.
    """

    def concerns(self, receiver: Any) -> bool:
        return bool(receiver.watching)


def _forget(pipeline: Any) -> None:
    """What the library's own `reset` does, but for its connection: there is none."""
    pipeline.command_stack = []
    pipeline.scripts = set()
    pipeline.watching = pipeline.explicit_transaction = False


COMMAND, IMMEDIATE, PIPELINE = CommandCodec(), ImmediateCodec(), PipelineCodec()


def _client(module: str) -> tuple[PresetTarget, ...]:
    return (
        PresetTarget(f"{module}:Redis.execute_command", "redis.command", codec=COMMAND, acts=_acts.redis),
        PresetTarget(
            f"{module}:Pipeline.immediate_execute_command", "redis.command", codec=IMMEDIATE, acts=_acts.redis
        ),
        PresetTarget(f"{module}:Pipeline.execute", "redis.pipeline", codec=PIPELINE, acts=_acts.redis),
        PresetTarget(f"{module}:Pipeline.reset", "redis.reset", codec=ResetCodec(), missing=None),
        PresetTarget(f"{module}:PubSub.execute_command", "redis.pubsub.command"),
        PresetTarget(f"{module}:PubSub.parse_response", "redis.pubsub.message", ignore=("timeout",)),
    )


TARGETS = (*_client("redis.client"), *_client("redis.asyncio.client"))
