"""The process that imports the service, once, and forks for each tape: the code under test runs here and in its children only."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn

from autoplayback.errors import AutoplaybackError, Diverged, ReplayError
from autoplayback.interception import tasks
from autoplayback.interception.target import Declaration, Role, Target
from autoplayback.originals import allocate_lock
from autoplayback.player import caught, clock, entry, framing, kernel, logs, origins, randomness, standstill
from autoplayback.player.clock import Clock
from autoplayback.player.forking import Herd
from autoplayback.player.options import SCRATCH, Options
from autoplayback.player.player import Player
from autoplayback.player.rehearsal import TIMES, Rehearsal
from autoplayback.player.sandbox import Sandbox
from autoplayback.player.session import Session
from autoplayback.player.traces import service_traceback
from autoplayback.tape import payload
from autoplayback.tape.adapters import registry
from autoplayback.tape.draft import Draft
from autoplayback.tape.model import End, Tape


@dataclass(frozen=True)
class Composition:
    """What the composition root has joined for a replay."""

    player: Player
    declarations: Sequence[Declaration]
    targets: Callable[[], Iterable[Target]] = tuple
    """What is intercepted by now."""
    absent: Callable[[], list[str]] = list
    """Asked once the service is imported: declared targets which aren't there, a sentence each."""


class Host:
    """The service under the player, ready to replay one tape after another."""

    def __init__(
        self, options: Options, sandbox: Sandbox, compose: Callable[[Options], Composition], control: int, results: int
    ) -> None:
        """`control` and `results` are the descriptors to the supervisor, of the host and of its children."""
        self._options = options
        self._sandbox = sandbox
        self._control = control
        self._results = results
        self._entries: dict[str, entry.Entry] = {}
        self._broken: dict[str, str] = {}
        self._calls_through = False
        self._set: dict[str, str | None] = {}
        """Environment variables that a tape has set, with what they were before."""
        self.notes: list[str] = []
        self._ending = allocate_lock()
        self._last = False
        """Whether this process itself plays a tape, its only one."""
        clock.install()
        randomness.install()
        logs.install()
        caught.install()
        os.chdir(options.workdir)
        if head := options.extra.get("head"):
            sys.path[:] = origins.moved(sys.path, head, options.workdir)
        sys.path[:] = [options.workdir, *(path for path in sys.path if path not in ("", options.workdir))]
        origins.distrust_bytecode(options.workdir)
        sandbox.importing(self._refused_at_import)
        self._composition = compose(options)
        self._player = self._composition.player
        self._player.on_begin = self._begin

    def load(self) -> None:
        """Imports the modules of the operations. One that can't be is an `error` for its own tapes only."""
        for declaration in self._composition.declarations:
            if declaration.role is not Role.OPERATION:
                continue
            name = declaration.name or declaration.target.removesuffix("()")
            names = {name, *getattr(declaration.settings, "was", ())}
            if self._options.operations and not names & set(self._options.operations) and declaration.settings.celery is None:
                continue
            before = len(self.notes)
            try:
                found: entry.Entry | None = entry.locate(declaration)
                origins.check(declaration.target.partition(":")[0], self._options.workdir)
                reason = ""
            except AutoplaybackError as error:
                found, reason = None, str(error)
            except (Exception, SystemExit, Diverged) as error:
                refused = "; " + "; ".join(self.notes[before:]) if len(self.notes) > before else ""
                found = None
                reason = (
                    f"{declaration.target} can't be imported: {type(error).__name__}: {error}{refused}\n"
                    + service_traceback(error)
                )
            for known in names:
                if found is not None:
                    self._entries[known] = found
                else:
                    self._broken[known] = reason

    def threads(self) -> list[str]:
        """The threads that the service's import has left running: a fork would lose them, and the locks they hold."""
        return [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]

    def isolation(self) -> tuple[str, str]:
        """How tapes are kept apart here, and why so where it isn't as asked."""
        asked, running = self._options.isolation, self.threads()
        if asked == "fork" or not running:
            return ("spawn" if asked == "spawn" else "fork"), ""
        return "spawn", f"importing the service started threads ({', '.join(running[:3])}), which a fork would lose"

    def serve(self) -> None:
        """Replays what the supervisor sends, until it closes."""
        self._sandbox.off()
        isolation, reason = self.isolation()
        if isolation == "fork":
            self._rehearse()
        self._calls_through = any(calls_through(declaration) for declaration in self._composition.declarations)
        self._sandbox.seal(reads=not self._calls_through)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        faulthandler.enable()
        if hasattr(signal, "SIGUSR1"):
            faulthandler.register(signal.SIGUSR1, all_threads=True, chain=False)
        herd, host = Herd(self._options.processor if isolation == "fork" else None), os.getpid()
        framing.send(
            self._control,
            {
                "ready": {
                    "isolation": isolation,
                    "reason": reason,
                    "notes": [*self._composition.absent(), *self.notes][:20],
                    "boundary": list(self._sandbox.boundary),
                    "reads": list(self._sandbox.reads),
                    "python": sys.version.split()[0],
                }
            },
        )
        while (message := framing.receive(self._control)) is not None:
            try:
                session = self._ready(message["tape"], self._composition.targets())
            except (AutoplaybackError, OSError) as error:
                framing.send(self._results, {"error": str(error)})
                framing.send(self._control, {"ended": 0})
                continue
            if isolation == "spawn":
                self._last = True
                self._play_out(session)
            status = herd.send()
            if status is None:
                kernel.die_with_parent(host)
                self._play_out(session)
            session.clock.stop()
            framing.send(self._control, {"ended": status})

    def _rehearse(self) -> None:
        """Goes the whole way of a tape's process here, short of what can't be taken back."""
        registry.prepare()
        with Rehearsal(self._player) as rehearsal, open(os.devnull, "wb") as nowhere:
            self._entries[rehearsal.operation] = rehearsal.entry
            for _ in range(TIMES):
                kernel.die_with_parent()
                session = self._ready(rehearsal.tape, rehearsal.targets)
                framing.send(nowhere.fileno(), self.play(session))
                self._flush()
                session.clock.stop()
            del self._entries[rehearsal.operation]
        self._player.session = None

    def _ready(self, data: bytes, targets: Iterable[Target]) -> Session:
        """All that needs none of the service's code is done before the fork: there it runs warm, and no child has to copy it."""
        tape = payload.load(data)
        self._surround(tape)
        session = self._player.arm(tape, Clock(tape.started, tape.environment))
        session.prepare(targets)
        self._flush()
        session.clock.start()
        return session

    def _play_out(self, session: Session) -> NoReturn:
        """Replays a tape in a process which it ends with."""
        try:
            framing.send(self._control, {"started": os.getpid()})
            self._bound()
            self._end(self.play(session))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(70)

    def _bound(self) -> None:
        """Bounds the memory of the process that plays a tape: not of a host, which rehearses and goes on."""
        if self._options.memory:
            limit = self._options.memory << 20
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    def _end(self, message: framing.Message) -> NoReturn:
        """Says what came of a tape, and ends its process. The first thread that comes here does; no other returns."""
        self._ending.acquire()
        framing.send(self._results, message)
        self._flush()
        if self._last:
            framing.send(self._control, {"ended": 0})
        os._exit(0)

    def _give_up(self, session: Session) -> None:
        """Nothing more will come of the operation than its misses."""
        self._sandbox.off()
        replay = session.finished(self._sandbox.boundary)
        assert replay is not None
        self._end({"tape": payload.packed(replay)})

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass

    def play(self, session: Session) -> framing.Message:
        """Replays one tape in this process: the message for the runner."""
        try:
            return {"tape": payload.packed(self._replay(session))}
        except AutoplaybackError as error:
            return {"error": str(error)}
        except MemoryError:
            return {"error": self._over_memory()}
        except Exception as error:
            return {"error": f"the player failed: {type(error).__name__}: {error}\n{''.join(traceback.format_exc())}"}

    def _replay(self, session: Session) -> Draft:
        tape = session.tape
        operation = tape.operation
        if operation in self._broken:
            raise ReplayError(self._broken[operation])
        found = self._entries.get(operation) or self._by_place(tape)
        if found is None:
            raise ReplayError(
                f"operation {operation!r} of this tape is not declared. Declare it in the YAML, `operations: [{{target:"
                f" {tape.target.module}:{tape.target.qualname}, name: {operation}}}]`, or add `was: [{operation}]` to the"
                f" operation which it has become"
            )
        failure: AutoplaybackError | None = None
        self._sandbox.importing(self._refused_at_import)
        try:
            entry.drive(found, tape, self._player.trust)
        except AutoplaybackError as error:
            failure = error
        except Diverged:
            pass  # latched
        finally:
            self._sandbox.off()
        if session.fault is not None:
            raise ReplayError(session.fault)
        replay = session.finished(self._sandbox.boundary)
        if replay is None:
            raise failure or ReplayError(
                f"{found.declaration.target} was called, but the operation {operation!r} was not entered: the call didn't reach"
                f" the intercepted function (`autoplayback check` says how it is held)"
            )
        if self._options.memory and replay.end is End.RAISED and session.raised_memory_error:
            raise ReplayError(self._over_memory())
        return replay

    def _by_place(self, tape: Tape) -> entry.Entry | None:
        """The operation that stands where the recorded one did, under another name."""
        place = f"{tape.target.module}:{tape.target.qualname}"
        known = next((found for found in self._entries.values() if found.declaration.target == place), None)
        if known is None and tape.operation == place:
            for found in self._entries.values():
                if tasks.is_application(found.value):
                    return entry.locate(replace(found.declaration, target=place, name=None))
        return known

    def _surround(self, tape: Tape) -> None:
        """Gives the process the surroundings of one tape: environment variables, a scratch folder, randomness."""
        folder = os.path.join(self._options.scratch, SCRATCH)
        if not os.path.isdir(folder):  # to look costs less than to ask: the filter stops at each mkdir
            os.makedirs(folder, exist_ok=True)
        tempfile.tempdir = folder
        variables = tape.environment.get("variables")
        wanted = dict(variables) if isinstance(variables, dict) else {}
        for name in self._set.keys() - wanted.keys():
            wanted[name] = self._set[name]  # back to what it was before an earlier tape
        for name, value in wanted.items():
            self._set.setdefault(name, os.environ.get(name))
            if isinstance(value, str):
                os.environ[name] = value
            else:
                os.environ.pop(name, None)
        if os.environ.get("TMPDIR") != folder:
            os.environ["TMPDIR"] = folder
        randomness.freeze(tape)

    def _begin(self) -> None:
        """The operation's own code is about to run: from here on a refusal is a divergence."""
        session = self._player.session
        assert session is not None
        if not self._options.debug:  # there, standing still is what a breakpoint does
            session.on_miss = partial(standstill.when_still, partial(self._give_up, session))
        if self._calls_through:
            session.on_let = self._sandbox.letting
        self._sandbox.operating(session.refused, session.lets_through if self._calls_through else None)

    def _refused_at_import(self, event: str, what: str) -> BaseException:
        if event != "socket.bind":  # libraries probe for IPv6 so; refused, they take it that there is none
            self.notes.append(f"{event}({what}) was refused while the service was imported or set up")
        return PermissionError(1, f"autoplayback: {event}({what}) is refused while the service is set up for a replay")

    def _over_memory(self) -> str:
        return f"out of memory: the tape's process may use {self._options.memory} MB (--memory)"


def calls_through(declaration: Declaration) -> bool:
    """Whether the config lets a call run that isn't on the tape: it may then read what it needs, so the kernel can't refuse that.

    Our own declarations (uuids, tokens, the state of numpy's generator) don't count: they read nothing.
    """
    ours = declaration.target.startswith(("uuid:", "secrets:", "autoplayback."))
    return getattr(declaration.settings, "on_missing", None) == "call" and not ours
