"""A worker's way up: the runner's process becomes the supervisor, which starts the host and closes it off.

runner --(control)-- supervisor --(channel)-- host --fork-- a tape's process --(results)-- supervisor
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
from collections.abc import Callable

from autoplayback.errors import ReplayError
from autoplayback.player import framing, kernel
from autoplayback.player.host import Composition, Host
from autoplayback.player.options import PROTOCOL, Options
from autoplayback.player.sandbox import Sandbox
from autoplayback.player.supervisor import Supervisor
from autoplayback.player.territory import Territory

HIGH = 600
"""Where the channel's descriptor is put, out of the way of those which the service opens: the filter knows it by its number."""


def serve(compose: Callable[[Options], Composition]) -> None:
    """Does what `sys.argv` asks: the descriptor to the runner, and the options as JSON. Ends the process."""
    runner, options = int(sys.argv[1]), Options.of(json.loads(sys.argv[2]))
    sys.argv[1:] = []  # the service may look at its own command line
    if options.protocol != PROTOCOL:
        framing.send(
            runner,
            {
                "fatal": {
                    "reason": f"this interpreter's autoplayback speaks protocol {PROTOCOL}, the tool's speaks"
                    f" {options.protocol}: install the same version in both",
                    "usage": True,
                }
            },
        )
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN if not options.debug else signal.SIG_DFL)
    kernel.die_with_parent()
    ours, theirs = socket.socketpair()
    results, results_in = os.pipe()
    output, output_in = (None, None) if options.debug else os.pipe()
    supervising = os.getpid()
    host = os.fork()
    if host == 0:
        kernel.die_with_parent(supervising)
        for fd in (runner, ours.fileno(), results, output):
            if fd is not None:
                os.close(fd)
        _become_host(options, theirs, results_in, output_in, compose)
    theirs.close()
    for fd in (results_in, output_in):
        if fd is not None:
            os.close(fd)
    supervisor = Supervisor(options, runner, ours, host, results, output)
    try:
        supervisor.run()
    except BrokenPipeError:
        pass  # the runner is gone
    finally:
        supervisor.stop()
    os._exit(0)


def _become_host(
    options: Options, theirs: socket.socket, results: int, output: int | None, compose: Callable[[Options], Composition]
) -> None:
    channel = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, HIGH)
    try:
        results = fcntl.fcntl(results, fcntl.F_DUPFD_CLOEXEC, HIGH)
        theirs.close()
        if output is not None:
            with open(os.devnull) as nothing:
                os.dup2(nothing.fileno(), 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
        if options.debugpy:
            _await_editor(options.debugpy)
        sandbox = Sandbox(Territory(options.workdir, options.scratch))
        sandbox.close(channel, debugging=options.debug)
        _hand_over(channel, sandbox)
        host = Host(options, sandbox, compose, channel, results)
        host.load()
        host.serve()
        os._exit(0)
    except Exception as error:
        from autoplayback.errors import AutoplaybackError

        reason = (
            str(error) if isinstance(error, AutoplaybackError) else f"the player could not start: {type(error).__name__}: {error}"
        )
        if not isinstance(error, AutoplaybackError):
            import traceback

            traceback.print_exc()
        sys.stderr.flush()
        framing.send(channel, {"fatal": {"reason": reason, "usage": isinstance(error, AutoplaybackError)}})
        os._exit(1)


def _await_editor(port: int) -> None:
    """Lets an editor attach, before the doors close: what is connected then stays so."""
    try:
        import debugpy  # noqa: T100  # asked for by --debugpy
    except ImportError:
        raise ReplayError(f"--debugpy: not installed for this interpreter: `{sys.executable} -m pip install debugpy`") from None
    debugpy.listen(("127.0.0.1", port))  # noqa: T100
    print(f"autoplayback: waiting for an editor to attach to 127.0.0.1:{port}", file=sys.stderr, flush=True)
    debugpy.wait_for_client()  # noqa: T100


def _hand_over(channel: int, sandbox: Sandbox) -> None:
    """Gives the supervisor the filter's descriptor: one byte that says of what kind /dev/shm is, with or without it."""
    fds = [] if sandbox.listener is None else [sandbox.listener]
    with socket.socket(fileno=os.dup(channel)) if not fds else socket.socket(fileno=channel) as sender:
        socket.send_fds(sender, [b"s" if sandbox.own_shm else b"-"], fds)
        if fds:
            sender.detach()
    for fd in fds:
        os.close(fd)
