"""The audit hook: what Python does to the world outside is refused where it is tried, with the place in the service's code.

It works on every platform and knows the call site, but sees only Python's own doing: where the kernel offers a boundary
(`seccomp`, `landlock`), C libraries meet that. An audit hook can't be removed, so it is installed once and told the phase.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from autoplayback.player.territory import Territory

Check = Callable[[Territory, tuple[Any, ...]], str | None]
"""Given an event's arguments: what was tried, for people; None where it is allowed."""
Refuse = Callable[[str, str], BaseException | None]
"""Given the event and what was tried: what to raise; None lets it pass."""

_territory: Territory | None = None
_refuse: Refuse | None = None
_debugging = False
_busy = threading.local()

DEBUGGERS = ("pdb", "bdb", "cmd", "code", "rlcompleter", "IPython", "ipdb", "pudb", "debugpy", "_pydevd_bundle", "pydevd")


def install(*, debugging: bool = False) -> None:
    """Adds the hook to this interpreter, once, inactive. `debugging`: what a debugger reads for itself isn't the service's."""
    global _debugging
    _debugging = debugging
    if not getattr(sys, "_autoplayback_tripwire", False):
        sys._autoplayback_tripwire = True  # type: ignore[attr-defined]  # a second copy of this module must not add it again
        sys.addaudithook(_hook)


def arm(territory: Territory, refuse: Refuse) -> None:
    """From now on what leaves the territory is refused with what `refuse` gives."""
    global _territory, _refuse
    _territory, _refuse = territory, refuse


def disarm() -> None:
    """Our own code goes on."""
    global _refuse
    _refuse = None


@contextmanager
def quietly() -> Iterator[None]:
    """While the tool itself looks, in this thread, at files that the service has named (`files:`): what lies outside the
    territory can't be opened, and that is no doing of the service's."""
    _busy.quiet = True
    try:
        yield
    finally:
        _busy.quiet = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    refuse = _refuse
    if refuse is None or (check := CHECKS.get(event)) is None or getattr(_busy, "on", False):
        return
    if _debugging and sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] in DEBUGGERS:
        return  # its own files (.pdbrc, history); the kernel still has its say
    _busy.on = True  # what a check or a refusal does itself (looking at a path, importing) isn't judged again
    try:
        tried = check(_territory, args)  # type: ignore[arg-type]  # armed, so there is one
        if tried is not None and getattr(_busy, "quiet", False):
            raise PermissionError(errno.EACCES, tried)
        error = None if tried is None else refuse(event, tried)
    finally:
        _busy.on = False
    if error is not None:
        raise error


def _opened(territory: Territory, args: tuple[Any, ...]) -> str | None:
    path, mode, flags = args
    if isinstance(path, int):
        return None
    writing = isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
    allowed = territory.writable(path) if writing else territory.readable(path)
    return None if allowed else f"{os.fsdecode(path)!r}, {mode if isinstance(mode, str) else 'w' if writing else 'r'!r}"


def _listed(territory: Territory, args: tuple[Any, ...]) -> str | None:
    path = args[0] if args else None
    return None if path is None or isinstance(path, int) or territory.readable(path) else repr(os.fsdecode(path))


def _changed(*paths: int, folders: tuple[int, ...] = ()) -> Check:
    """For events that change the file at an argument; `folders` are where their dir_fd arguments stand."""

    def check(territory: Territory, args: tuple[Any, ...]) -> str | None:
        for number, position in enumerate(paths):
            path = args[position]
            if isinstance(path, int):
                path = f"/proc/self/fd/{path}"
            folder = args[folders[number]] if number < len(folders) and folders[number] < len(args) else -1
            if not territory.writable(path, folder if isinstance(folder, int) else -1):
                return repr(os.fsdecode(path))
        return None

    return check


def _database(territory: Territory, args: tuple[Any, ...]) -> str | None:
    name = os.fsdecode(args[0]) if isinstance(args[0], (str, bytes, os.PathLike)) else ""
    path, _, query = name.removeprefix("file:").partition("?")
    if path in ("", ":memory:") or "mode=memory" in query:
        return None
    return None if territory.writable(path) or ("mode=ro" in query and territory.readable(path)) else repr(name)


def _address(territory: Territory, args: tuple[Any, ...]) -> str | None:
    return ", ".join(_short(argument) for argument in args[1:]) or "address"


def _asked(territory: Territory, args: tuple[Any, ...]) -> str | None:
    return ", ".join(_short(argument) for argument in args[:2])


def _command(territory: Territory, args: tuple[Any, ...]) -> str | None:
    return _short(args[1] if len(args) > 1 and args[1] else args[0]) if args else ""


def _signal(territory: Territory, args: tuple[Any, ...]) -> str | None:
    return None if args and args[0] in (os.getpid(), 0) and args[0] else ", ".join(map(str, args))


def _short(value: Any) -> str:
    text = repr(value.decode(errors="replace") if isinstance(value, bytes) else value)
    return text if len(text) <= 120 else text[:119] + "…"


CHECKS: dict[str, Check] = {
    "open": _opened,
    "os.listdir": _listed,
    "os.scandir": _listed,
    "sqlite3.connect": _database,
    "os.mkdir": _changed(0, folders=(2,)),
    "os.rmdir": _changed(0, folders=(1,)),
    "os.remove": _changed(0, folders=(1,)),
    "os.rename": _changed(0, 1, folders=(2, 3)),
    "os.link": _changed(1, folders=(3,)),
    "os.symlink": _changed(1, folders=(2,)),
    "os.truncate": _changed(0),
    "os.chmod": _changed(0, folders=(2,)),
    "os.chown": _changed(0, folders=(3,)),
    "os.lchmod": _changed(0),
    "os.chflags": _changed(0),
    "os.utime": _changed(0, folders=(3,)),
    "os.setxattr": _changed(0),
    "os.removexattr": _changed(0),
    "socket.connect": _address,
    "socket.bind": _address,
    "socket.sendto": _address,
    "socket.sendmsg": _address,
    "socket.getaddrinfo": _asked,
    "socket.gethostbyname": _asked,
    "socket.gethostbyaddr": _asked,
    "socket.getnameinfo": _asked,
    "socket.sethostname": _asked,
    "subprocess.Popen": _command,
    "os.system": _asked,
    "os.exec": _command,
    "os.posix_spawn": _command,
    "os.spawn": _command,
    "os.startfile": _asked,
    "os.fork": _command,
    "os.forkpty": _command,
    "pty.spawn": _asked,
    "os.kill": _signal,
    "os.killpg": _asked,
    "syslog.syslog": _asked,
    "syslog.openlog": _asked,
}
"""Connected sockets send without an address, and `socket.sendmsg` is told of with None: see `_sent`."""


def _sent(territory: Territory, args: tuple[Any, ...]) -> str | None:
    return None if len(args) < 2 or args[1] is None else _address(territory, args)


CHECKS["socket.sendmsg"] = CHECKS["socket.sendto"] = _sent
