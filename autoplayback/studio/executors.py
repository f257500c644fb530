"""Worker processes: started under the interpreter of the code under test, given tapes, closed whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Any

from autoplayback.errors import AutoplaybackError, ConfigError, TapeError
from autoplayback.player import framing
from autoplayback.player.options import Options
from autoplayback.tape import payload
from autoplayback.tape.model import Miss, Summary, Tape

BOOT = """import sys
if sys.version_info < (3, 11): sys.exit("autoplayback needs Python 3.11 or later, this is %d.%d" % sys.version_info[:2])
try:
    import autoplayback.player.forking as forking
    forking.spare_hooks()
    import autoplayback.player.worker
    from autoplayback.bootstrap import worker
except ModuleNotFoundError as error:
    sys.exit("autoplayback is not installed there (%s): `%s -m pip install autoplayback`" % (error, sys.executable))
worker()
"""
KEPT = 4
"""Idle workers that each thread of a pool keeps, for tapes of differing hash seeds."""
PATIENCE = 5.0
"""Seconds that a worker gets to end by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """What all workers of one version of the code have in common."""

    options: Options
    """`scratch` and `processor` are set per worker."""
    python: str
    env: dict[str, str] = field(default_factory=dict)
    """On top of this process's environment."""
    finish: Callable[[Tape, Tape], Tape] = lambda replay, recorded: replay
    """Takes its secrets off a replay's tape, as they were taken off the recorded one."""


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one tape: the tape its replay made, or why there is none."""

    tape: Tape
    replay: Tape | None
    error: str = ""
    output: str = ""
    """The end of what the service printed meanwhile."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One tape on two versions of the code, each several times in turn."""

    tape: Tape
    head: tuple[Played, ...]
    base: tuple[Played, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A tape that was chosen and can't be loaded; it passes through a run to its report."""

    summary: Summary
    error: str


@dataclass(frozen=True, slots=True)
class Ready:
    """What a worker says once it has imported the service."""

    isolation: str
    reason: str
    """Why tapes are spawned where forking was wanted."""
    notes: tuple[str, ...]
    """What was refused while the service was imported."""
    boundary: tuple[str, ...]
    python: str


class WorkerFailed(AutoplaybackError):
    """A worker could not start. `usage`: by the user's doing (no autoplayback there, a wrong config): no other would either."""

    def __init__(self, reason: str, output: str = "", *, usage: bool = False) -> None:
        self.usage = usage
        tail = output.strip()
        super().__init__(f"{reason}\n{tail}" if tail else reason)


class Worker:
    """One worker process. Used by one thread; `stop` may come from any."""

    def __init__(
        self, lane: Lane, seed: str, variables: Mapping[str, str] | None = None, processor: int | None = None
    ) -> None:
        """Starts it; raises WorkerFailed. `seed` is its PYTHONHASHSEED; `variables` stand in its environment where this process's
        has none: a service reads its settings as it is imported. Its tapes take turns on `processor`."""
        self._lane = lane
        self._scratch = tempfile.mkdtemp(prefix="autoplayback-")
        self._said: IO[bytes] | None = None if lane.options.debug else tempfile.TemporaryFile()  # noqa: SIM115  # closed by `stop`
        self._stopped = False
        self.ready: Ready | None = None
        ours, theirs = socket.socketpair()
        self._control = ours
        env = {name: value for name, value in os.environ.items() if not name.startswith("AUTOPLAYBACK")}
        env = {**(variables or {}), **env}
        env |= {"PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1", **lane.env}
        options = replace(lane.options, scratch=self._scratch, processor=None if lane.options.debug else processor)
        # A path is meant from here, not from the folder that the worker begins in.
        python = os.path.abspath(lane.python) if os.path.dirname(lane.python) else lane.python
        command = [python, "-c", BOOT, str(theirs.fileno()), json.dumps(options.plain())]
        try:
            self._process = subprocess.Popen(
                command,
                cwd=options.workdir,
                env=env,
                pass_fds=[theirs.fileno()],
                stdin=None if options.debug else subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                # A session of its own: Ctrl-C is the runner's to handle, who then ends its workers in order.
                start_new_session=not options.debug,
            )
        except OSError as error:
            ours.close()
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise WorkerFailed(f"{lane.python} can't be started: {error.strerror or error}", usage=True) from error
        finally:
            theirs.close()

    def wait(self) -> Ready:
        """Until the service is imported. Raises WorkerFailed."""
        if self.ready is None:
            message = self._receive()
            if message is None:
                self._process.wait()
                said = self._last_words()
                raise WorkerFailed(said or f"the worker ended with status {self._process.returncode} before it began", usage=True)
            if (fatal := message.get("fatal")) is not None:
                raise WorkerFailed(fatal["reason"], fatal.get("output", ""), usage=fatal.get("usage", False))
            told = message["ready"]
            self.ready = Ready(told["isolation"], told["reason"], tuple(told["notes"]), tuple(told["boundary"]), told["python"])
        return self.ready

    def play(self, tape: Tape) -> Played:
        """Replays one tape. Raises WorkerFailed where the worker has ended before."""
        self.wait()
        try:
            framing.send(self._control.fileno(), {"tape": payload.dump(tape)})
            message = self._receive()
        except OSError:
            message = None
        if message is not None and "fatal" in message:
            raise WorkerFailed(message["fatal"]["reason"], message["fatal"].get("output", ""))
        if message is None:
            raise WorkerFailed(f"the worker ended in the middle: {self._last_words() or 'it said nothing'}")
        result = message["result"]
        output = result.get("output", "")
        if "tape" not in result:
            return Played(tape, None, result["error"], output)
        try:
            replayed = self._lane.finish(payload.load(result["tape"]), tape)
        except TapeError as error:
            return Played(tape, None, f"the replay's own tape can't be read: {error}", output)
        return Played(tape, with_refused(replayed, result["refused"]), "", output)

    def stop(self) -> None:
        """Ends it and all it has started; the supervisor does that when its connection closes."""
        if self._stopped:
            return
        self._stopped = True
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._control.close()
        if self._said is not None:
            self._said.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _receive(self) -> framing.Message | None:
        try:
            return framing.receive(self._control.fileno())
        except OSError:
            return None

    def _last_words(self) -> str:
        if self._said is None or self._said.closed:
            return ""
        self._said.seek(0)
        return self._said.read()[-4096:].decode(errors="replace").strip()


@dataclass(slots=True)
class Seat:
    """What one thread of a pool works with."""

    processor: int | None
    """For all of its workers, of which one is at work at a time."""
    idle: dict[tuple[Lane, str], Worker] = field(default_factory=dict)
    """Workers between two tapes, by the version of the code and the hash seed."""


class Pool:
    """Several workers at work on one stream of tapes. Use as a context: leaving it ends them all."""

    def __init__(self, lane: Lane, jobs: int, on_ready: Callable[[Ready], None] = lambda ready: None) -> None:
        self._lane = lane
        self._jobs = jobs
        self._on_ready = on_ready
        self._results: queue.Queue[Played | Trial | Unreadable | BaseException | None] = queue.Queue(maxsize=jobs * 4)
        self._source = threading.Lock()
        self._state = threading.Lock()
        self._workers: set[Worker] = set()
        self._closed = False
        self._failures: dict[Lane, WorkerFailed] = {}
        self._told: set[Ready] = set()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends every worker, in the middle of a tape too."""
        with self._state:
            self._closed = True
            workers = list(self._workers)
        for worker in workers:
            worker.stop()

    def run(self, tapes: Iterable[Tape | Unreadable]) -> Iterator[Played | Unreadable]:
        """Replays each tape, in whatever order they get ready; an unreadable one is passed on.

        Raises ConfigError where no worker can start by the user's doing.
        """
        return self._all(tapes, lambda tape, seat: self._play(tape, self._lane, seat))

    def run_against(self, tapes: Iterable[Tape | Unreadable], base: Lane, rounds: int) -> Iterator[Trial | Unreadable]:
        """Replays each tape on `base` and on this lane in turn, `rounds` times, so that both meet the same machine."""

        def tried(tape: Tape, seat: Seat) -> Trial:
            pairs = [(self._play(tape, base, seat), self._play(tape, self._lane, seat)) for _ in range(rounds)]
            return Trial(tape, tuple(head for _, head in pairs), tuple(before for before, _ in pairs))

        return self._all(tapes, tried)

    def _all(self, tapes: Iterable[Tape | Unreadable], play: Callable[[Tape, Seat], Any]) -> Iterator[Any]:
        source = iter(tapes)
        seats = map(Seat, processors(self._jobs))
        threads = [threading.Thread(target=self._work, args=(source, play, seat), daemon=True) for seat in seats]
        for thread in threads:
            thread.start()
        left = len(threads)
        while left:
            result = self._results.get()
            if result is None:
                left -= 1
            elif isinstance(result, BaseException):
                self.close()
                raise result
            else:
                yield result

    def _work(self, source: Iterator[Tape | Unreadable], play: Callable[[Tape, Seat], Any], seat: Seat) -> None:
        try:
            while not self._closed:
                with self._source:
                    tape = next(source, None)
                if tape is None:
                    break
                self._results.put(tape if isinstance(tape, Unreadable) else play(tape, seat))
        except BaseException as error:
            if not self._closed:
                self._results.put(error)
        finally:
            for worker in seat.idle.values():
                self._end(worker)
            self._results.put(None)

    def _play(self, tape: Tape, lane: Lane, seat: Seat) -> Played:
        if (failure := self._failures.get(lane)) is not None:
            return Played(tape, None, str(failure))
        seed, workers = hash_seed(tape), seat.idle
        worker = workers.pop((lane, seed), None)
        try:
            if worker is None:
                while len(workers) >= KEPT:
                    self._end(workers.pop(next(iter(workers))))
                worker = self._start(lane, seed, recorded_variables(tape), seat.processor)
            played = worker.play(tape)
        except WorkerFailed as error:
            if worker is not None:
                started = worker.ready is not None
                self._end(worker)
                if started or self._closed:
                    return Played(tape, None, str(error))
            if error.usage:
                raise ConfigError((None, str(error))) from error
            self._failures[lane] = error  # the service's import brings the process down: it would for each tape
            return Played(tape, None, str(error))
        if worker.ready is not None and worker.ready.isolation == "spawn":
            self._end(worker)
        else:
            workers[lane, seed] = worker
        return played

    def _start(self, lane: Lane, seed: str, variables: Mapping[str, str], processor: int | None) -> Worker:
        with self._state:
            if self._closed:
                raise WorkerFailed("the run was ended")
            worker = Worker(lane, seed, variables, processor)
            self._workers.add(worker)
        try:
            ready = worker.wait()
        except WorkerFailed:
            self._end(worker)
            raise
        with self._state:
            new = ready not in self._told
            self._told.add(ready)
        if new:
            self._on_ready(ready)
        return worker

    def _end(self, worker: Worker) -> None:
        worker.stop()
        with self._state:
            self._workers.discard(worker)


def processors(jobs: int) -> list[int | None]:
    """One for each job, beginning anywhere: two runs on one machine shall not choose the same few."""
    if not hasattr(os, "sched_getaffinity"):
        return [None] * jobs
    ours = sorted(os.sched_getaffinity(0))
    first = random.randrange(len(ours))
    return [ours[(first + number) % len(ours)] for number in range(jobs)]


def hash_seed(tape: Tape) -> str:
    """The PYTHONHASHSEED for a tape: the recorded one, or 0 where it was random, so that at least replays agree."""
    recorded = str(tape.environment.get("hash_seed", ""))
    return recorded if recorded.isdigit() and int(recorded) < 1 << 32 else "0"


def recorded_variables(tape: Tape) -> dict[str, str]:
    """The environment variables of the config's `environment:`, as they were."""
    variables = tape.environment.get("variables")
    return (
        {str(name): value for name, value in variables.items() if isinstance(value, str)} if isinstance(variables, dict) else {}
    )


def with_refused(replayed: Tape, refused: list[dict[str, Any]]) -> Tape:
    """The replay's tape with the system calls of native code that the supervisor has refused, as misses after its own."""
    if not refused or replayed.playback is None:
        return replayed
    known = {miss.reason for miss in replayed.playback.misses}
    misses = [
        Miss(
            "undeclared",
            call["event"],
            f"{call['event']}({call['what']}) by native code is not declared, and a replay touches nothing outside its tape",
            advice="# declare the Python function that leads there as an input or an output",
        )
        for call in refused
    ]
    return replace(
        replayed,
        playback=replace(replayed.playback, misses=(*replayed.playback.misses, *(m for m in misses if m.reason not in known))),
    )
