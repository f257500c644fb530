"""The process between the runner and the host: it holds no service code, so nothing the service does can stop it.

It passes tapes on and results back, judges the system calls which the filter stopped, keeps the tail of what the service
printed, ends what takes too long, and says how a process that gave no result has ended.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket

from autoplayback.originals import monotonic_ns
from autoplayback.player import forking, framing, seccomp
from autoplayback.player.guard import Guard
from autoplayback.player.options import SCRATCH, Options
from autoplayback.player.territory import Territory

TAIL = 8192
"""Bytes of the service's output that a result keeps."""
GRACE = 0.2
"""Seconds that a hung process gets to say where it stands, before it is killed."""
ATTEMPTS = 20
"""Refused calls that are told of per tape."""


class Supervisor:
    """One host's keeper. `run` returns when the runner has closed or the host has ended."""

    def __init__(
        self, options: Options, runner: int, channel: socket.socket, host: int, results: int, output: int | None
    ) -> None:
        """Descriptors: `runner` both ways, `channel` both ways to the host, `results` and `output` from its children."""
        self._options = options
        self._runner = runner
        self._channel = channel
        self._host = host
        self._results = results
        self._output = output
        self._listener: int | None = None
        self._guard: Guard | None = None
        self._poll = select.poll()
        self._from_runner, self._from_host, self._from_child = framing.Inbox(), framing.Inbox(), framing.Inbox()
        self._tail = bytearray()
        self._refused: list[dict[str, str]] = []
        self._at_import: list[str] = []
        self._ready = False
        self._child = 0
        self._result: framing.Message | None = None
        self._deadline: float | None = None
        self._timed_out = False
        self._playing = False
        self._over = False

    def run(self) -> None:
        """Until there is nothing more to do."""
        self._listen()
        for fd in (self._runner, self._channel.fileno(), self._results, self._output, self._listener):
            if fd is not None:
                self._poll.register(fd, select.POLLIN)
        while not self._over:
            wait = None if self._deadline is None else max(0.0, self._deadline - _now()) * 1000
            events = self._poll.poll(wait)
            if not events and self._deadline is not None:
                self._out_of_time()
            if len(events) > 1:
                events.sort(key=lambda event: event[0] == self._channel.fileno())
            for fd, _ in events:
                self._handle(fd)

    def stop(self) -> None:
        """Ends the host, and whatever it has forked."""
        for pid in (*self._players(), self._host):
            if pid:
                _kill(pid, signal.SIGKILL)
        try:
            os.waitpid(self._host, 0)
        except ChildProcessError:
            return

    def _listen(self) -> None:
        """The host's first message brings the descriptor of its filter, if it has one."""
        data, fds, _, _ = socket.recv_fds(self._channel, 1, 1)
        if fds:
            self._listener = fds[0]
            territory = Territory(self._options.workdir, self._options.scratch)
            self._guard = Guard(self._host, territory.writes, data == b"s", debugging=self._options.debug)

    def _handle(self, fd: int) -> None:
        if fd == self._listener:
            self._judge()
            return
        try:
            data = os.read(fd, 1 << 16)
        except OSError:
            data = b""
        if fd == self._output:
            self._tail += data
            del self._tail[:-TAIL]
            if not data:
                self._forget(fd)
        elif fd == self._results:
            for message in self._from_child.feed(data):
                self._result = message
            if not data:
                self._forget(fd)
        elif fd == self._runner:
            if not data:
                self._over = True
            for message in self._from_runner.feed(data):
                self._begin(message)
        else:
            for message in self._from_host.feed(data):
                self._host_says(message)
            if not data:
                self._host_ended()

    def _forget(self, fd: int) -> None:
        self._poll.unregister(fd)
        if fd == self._output:
            self._output = None

    def _begin(self, message: framing.Message) -> None:
        self._tail.clear()
        self._refused = []
        self._from_child.clear()
        self._result, self._timed_out, self._playing = None, False, True
        self._limit()  # from here on: a process may hang in what the service does after a fork, before it can say a word
        framing.send(self._channel.fileno(), message)

    def _host_says(self, message: framing.Message) -> None:
        if "ready" in message:
            self._ready = True
            forks = message["ready"]["isolation"] != "spawn"
            if self._guard is not None:
                self._guard.ready(message["ready"]["reads"], forks=forks)
            if forks:
                forking.keep_to(self._options.processor)
            message["ready"]["notes"] += self._at_import
            message["ready"]["output"] = self._take_tail()
            framing.send(self._runner, message)
        elif "started" in message:
            self._child = message["started"]
            if self._guard is not None:
                self._guard.playing = self._child
            self._limit()
        elif "fatal" in message:
            self._ready = True
            self._drain()
            framing.send(self._runner, {"fatal": {**message["fatal"], "output": self._take_tail()}})
        elif "ended" in message:
            self._finish(message["ended"])

    def _finish(self, status: int) -> None:
        """A tape's process has ended: what it wrote is in the pipes already."""
        self._drain()
        # What it says after its time is no result: our own question where it stands may have woken it.
        result: framing.Message = {"error": self._cause(status)}
        if self._result and not self._timed_out:
            result = self._result
        result["output"] = self._take_tail()
        result["refused"] = self._refused
        self._deadline, self._child, self._playing = None, 0, False
        _empty(os.path.join(self._options.scratch, SCRATCH))
        framing.send(self._runner, {"result": result})

    def _host_ended(self) -> None:
        _, status = os.waitpid(self._host, 0)
        self._host, self._over = 0, True
        if self._playing:
            self._finish(status)
        elif not self._ready:
            self._drain()
            output = self._take_tail()
            framing.send(
                self._runner,
                {
                    "fatal": {
                        "reason": f"the replay's process ended while it imported the service: {ended(status)}",
                        "output": output,
                    }
                },
            )

    def _drain(self) -> None:
        """Reads what is in the pipes now: a process that has ended writes nothing more."""
        waiting = select.poll()
        for fd in (self._results, self._output):
            if fd is not None:
                waiting.register(fd, select.POLLIN)
        while ready := [fd for fd, event in waiting.poll(0) if event & select.POLLIN]:
            for fd in ready:
                self._handle(fd)
        self._from_child.clear()

    def _limit(self) -> None:
        if self._options.timeout and not self._options.debug:
            self._deadline = _now() + self._options.timeout

    def _players(self) -> list[int]:
        """The process that plays a tape: as it has said, else as the kernel knows it. A host has one child at most."""
        if self._child or not self._playing:
            return [self._child]
        try:
            with open(f"/proc/{self._host}/task/{self._host}/children") as children:
                return [*map(int, children.read().split())] or [self._host]
        except OSError:
            return [self._host]

    def _out_of_time(self) -> None:
        if not self._timed_out:
            self._timed_out = True
            self._deadline = _now() + GRACE
            number = getattr(signal, "SIGUSR1", signal.SIGKILL)  # faulthandler writes where each thread stands
        else:
            self._deadline = None
            number = signal.SIGKILL
        for pid in self._players():
            _kill(pid, number)

    def _cause(self, status: int) -> str:
        memory = f"; --memory is {self._options.memory} MB" if self._options.memory else ""
        if self._timed_out:
            bound = f"took longer than {self._options.timeout:g} s (--timeout)"
            return f"{bound}: it hung, or waits for what a replay can't give{memory}"
        if status == 0:
            return "ended its process without a result"
        return f"its process {ended(status)}{memory if os.WIFSIGNALED(status) else ''}"

    def _judge(self) -> None:
        assert self._listener is not None
        assert self._guard is not None
        attempt = seccomp.receive(self._listener)
        if attempt is None:
            if not _alive(self._host):
                self._poll.unregister(self._listener)
            return
        try:
            refusal = self._guard.judge(attempt)
        except Exception as error:  # never leave a process standing still for a fault of ours; and never let it through
            seccomp.refuse(self._listener, attempt, 1)
            self._tell(attempt.name, f"{type(error).__name__}: {error}")
            return
        if refusal is None:
            seccomp.allow(self._listener, attempt)
            return
        seccomp.refuse(self._listener, attempt, refusal.errno)
        if refusal.told:
            self._tell(refusal.event, refusal.what)

    def _tell(self, event: str, what: str) -> None:
        if self._playing:
            if len(self._refused) < ATTEMPTS:
                self._refused.append({"event": event, "what": what})
        elif len(self._at_import) < ATTEMPTS:
            self._at_import.append(f"{event}({what}) by native code was refused while the service was imported")

    def _take_tail(self) -> str:
        text = self._tail.decode(errors="replace")
        self._tail.clear()
        return text


def ended(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name if number in signal.Signals.__members__.values() else str(number)
        return f"crashed: killed by {name}"
    code = os.waitstatus_to_exitcode(status)
    return f"ended itself with status {code} (os._exit)"


def _empty(folder: str) -> None:
    """Clears a tape's scratch folder; mostly there is nothing in it."""
    try:
        with os.scandir(folder) as entries:
            left = list(entries)
        if left:
            shutil.rmtree(folder, ignore_errors=True)
    except FileNotFoundError:
        return


def _now() -> float:
    return monotonic_ns() / 1e9


def _kill(pid: int, number: int) -> None:
    try:
        if pid:
            os.kill(pid, number)
    except ProcessLookupError:
        return


def _alive(pid: int) -> bool:
    return bool(pid) and os.path.exists(f"/proc/{pid}")
