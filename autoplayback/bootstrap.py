"""The composition root: joins config, interception and the recorder or the player. Nothing else knows all of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The hook imports this module at every start of a recorded Python: what costs is imported where it is used.
    from autoplayback.config.settings import CallSettings, OperationSettings, Settings
    from autoplayback.errors import Place
    from autoplayback.interception.install import Interception
    from autoplayback.interception.target import Declaration, Shape
    from autoplayback.player.host import Composition
    from autoplayback.player.options import Options

Places = Callable[..., "Place | None"]
ROOM = 64 << 10
"""Bytes that a tape is left beside the largest content of a file."""
_recording: Interception | None = None


def start() -> None:
    """Starts recording where `AUTOPLAYBACK=record` asks for it. Called by the hook at interpreter start; idempotent.

    Never raises: a broken config costs the recording, told in one line on stderr, not the service.
    """
    global _recording
    wanted = os.environ.get("AUTOPLAYBACK", "off")
    if _recording is not None or wanted in ("", "off") or _is_the_tool(sys.orig_argv):
        return
    try:
        if wanted != "record":
            _complain(f"AUTOPLAYBACK={wanted!r} is neither 'record' nor 'off'")
            return
        _recording = record()
    except BaseException as error:  # even SystemExit: at this point it would end the service before it began
        _complain(str(error) or type(error).__name__)


def record() -> Interception:
    """Installs recording into this process, after the config that the environment names.

    Raises ConfigError or CassetteError where it can't.
    """
    from autoplayback.config.load import load
    from autoplayback.interception import entropy
    from autoplayback.interception.context import set_mode
    from autoplayback.interception.install import Interception
    from autoplayback.recorder import spool
    from autoplayback.recorder.environment import Environment
    from autoplayback.recorder.recorder import Recorder
    from autoplayback.recorder.redaction import Redactor
    from autoplayback.recorder.sampling import Sampler
    from autoplayback.tape.adapters import registry

    configuration = load()
    settings = configuration.settings
    sink = spool.for_url(settings, finish=Redactor(settings.redact).finish)
    environment = Environment(settings.service, settings.environment)
    sampler = Sampler(settings.sampling, sink.pressure)
    sink.left_out = sampler.left_out
    recorder = Recorder(sink, sampler, environment, tape_limit=settings.limits.tape_mb << 20)
    interception = Interception(declarations(settings, configuration.place), recorder)
    interception.install()
    entropy.install(interception.finder)
    registry.prepare()  # now, and not in the first request
    set_mode("record")
    return interception


def declarations(settings: Settings, place: Places | None = None) -> list[Declaration]:
    """Everything the config wants intercepted, presets expanded to their targets, in the config's order."""
    from autoplayback.interception import entropy
    from autoplayback.interception.target import Declaration, Role
    from autoplayback.presets import expand
    from autoplayback.tape.encoder import LIMIT

    def where(*keys: str | int) -> Place | None:
        return place(*keys) if place is not None else None

    found: list[Declaration] = []
    for index, operation in enumerate(settings.operations):
        text, shape = entry_point(operation)
        found.append(
            Declaration(
                Role.OPERATION, text, operation.name, shape, operation.wrap, settings=operation, place=where("operations", index)
            )
        )
    # A content that alone reaches the bound of a value or a tape would cost the whole of it.
    file_limit = min(settings.limits.max_file_mb << 20, (settings.limits.tape_mb << 20) - ROOM, LIMIT - ROOM)
    groups: list[tuple[str, Role, list[CallSettings]]] = [
        ("inputs", Role.INPUT, list(settings.inputs)),
        ("outputs", Role.OUTPUT, list(settings.outputs)),
    ]
    for group, role, entries in groups:
        for index, entry in enumerate(entries):
            at = where(group, index)
            if entry.preset is not None:
                found.extend(expand(entry.preset, role, entry, at))
            elif entry.target is not None:
                handle = entry.returns == "handle"
                found.append(
                    Declaration(
                        role, entry.target, entry.alias, None, entry.wrap, handle, settings=entry, place=at, file_limit=file_limit
                    )
                )
    found.extend(entropy.declarations())
    return found


def worker() -> None:
    """A replay's process under the interpreter of the code under test: the runner starts it with a descriptor and options."""
    from autoplayback.player.worker import serve

    serve(_replay)


def _replay(options: Options) -> Composition:
    """Installs the player into this process, before the service is imported. Raises ConfigError where the config is wrong."""
    from autoplayback import presets
    from autoplayback.config.load import load
    from autoplayback.interception import entropy
    from autoplayback.interception.context import set_mode
    from autoplayback.interception.install import Interception
    from autoplayback.player.host import Composition
    from autoplayback.player.player import Player, trust
    from autoplayback.recorder.redaction import Redactor

    configuration = load(options.config, presets=presets.names())
    settings = configuration.settings
    declared = declarations(settings, configuration.place)
    player = Player(trust(settings, declared, options.workdir), Redactor(settings.redact).document)
    interception = Interception(declared, player)
    interception.install()
    entropy.install(interception.finder)
    set_mode("replay")

    def absent() -> list[str]:
        return [
            f"{finding.declaration.target} is not intercepted: {finding.error}"
            for finding in interception.findings()
            if finding.error and not finding.declaration.optional
        ]

    return Composition(player, declared, lambda: interception.targets, absent)


def check(fd: int) -> None:
    """`autoplayback check`'s fresh process: writes to the descriptor how each target of the config would be intercepted."""
    from autoplayback.config.load import load
    from autoplayback.studio import probe

    configuration = load()
    settings = configuration.settings
    probe.answer(fd, declarations(settings, configuration.place), [settings.compare, *(o.compare for o in settings.operations)])


def entry_point(operation: OperationSettings) -> tuple[str, Shape | None]:
    """The `module:qualname` of an operation, and its shape where the config says it. A Celery task is a function to us."""
    from autoplayback.interception.target import Shape

    if operation.wsgi is not None:
        return operation.wsgi, Shape.WSGI
    if operation.asgi is not None:
        return operation.asgi, Shape.ASGI
    return operation.target or operation.celery or "", None


def _is_the_tool(command: list[str]) -> bool:
    """Whether this process is `autoplayback` itself, run in a shell that exports AUTOPLAYBACK=record."""
    return any(os.path.basename(word) in ("autoplayback", "autoplayback.cli") for word in command[1:3])


def _complain(text: str) -> None:
    first, *rest = text.splitlines() or [""]
    more = f" (and {len(rest)} more lines; `autoplayback check` shows all)" if rest else ""
    try:
        sys.stderr.write(f"autoplayback: not recording: {first}{more}\n")
    except Exception:
        return
