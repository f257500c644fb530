"""The supervisor's judgement of system calls that a replay's process has been stopped at: let through, or refused and told."""

from __future__ import annotations

import errno
import ipaddress
import os
import struct
from dataclasses import dataclass

from autoplayback.player.seccomp import Attempt
from autoplayback.player.territory import SINKS, within

AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 0, 1, 2, 10, 16
AT_FDCWD = (1 << 32) - 100
QUIET = ("/var/run/nscd/socket", "/run/nscd/socket", "/run/systemd/userdb/", "/run/systemd/resolve/", "/var/run/.nscd")
"""Where libc looks before it reads /etc itself: refused as absent, and no fault of the service's."""
PROCESSES = ("clone", "fork", "vfork")
SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
PATHS: dict[str, tuple[int | None, int | None]] = {
    "open": (None, 0),
    "creat": (None, 0),
    "openat": (0, 1),
    "chmod": (None, 0),
    "fchmod": (0, None),
    "chown": (None, 0),
    "lchown": (None, 0),
    "fchown": (0, None),
    "fchmodat": (0, 1),
    "fchmodat2": (0, 1),
    "fchownat": (0, 1),
    "utime": (None, 0),
    "utimes": (None, 0),
    "futimesat": (0, 1),
    "utimensat": (0, 1),
    "setxattr": (None, 0),
    "lsetxattr": (None, 0),
    "fsetxattr": (0, None),
}
"""Per call, which arguments are the open folder (or file) and the path."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A system call that was refused: what it is called in a report, and the errno its caller sees."""

    event: str
    what: str
    errno: int
    told: bool = True


class Guard:
    """Judges for one worker: `host` is the process that imports the service and forks, `writes` the folders it may write."""

    def __init__(self, host: int, writes: tuple[str, ...], own_shm: bool, *, forks: bool = True) -> None:
        self._host = host
        self._writes = dict.fromkeys((*writes, *(("/dev/shm",) if own_shm else ())))
        self._forks = forks

    def judge(self, attempt: Attempt) -> Refusal | None:
        """None lets the call through."""
        process = self._host if attempt.thread == self._host else group(attempt.thread)
        name, args = attempt.name, attempt.arguments
        if name in PROCESSES:
            if process == self._host and self._forks:
                return None
            return Refusal(name, "a new process", errno.EPERM)
        if name in SIGNALS:
            return self._signal(process, name, args)
        if name in PATHS:
            return self._path(attempt)
        if name in ("execve", "execveat"):
            path = memory(attempt.thread, args[0 if name == "execve" else 1], 4096)
            return Refusal(name, repr(text(path)), errno.EPERM)
        return self._address(attempt)

    def _signal(self, process: int, name: str, args: tuple[int, ...]) -> Refusal | None:
        to = args[0] & 0xFFFFFFFF
        if to == process or (process == self._host and self._forks) or (name == "tkill" and group(to) == process):
            return None
        return Refusal(name, str(to if to < 1 << 31 else to - (1 << 32)), errno.EPERM)

    def _path(self, attempt: Attempt) -> Refusal | None:
        folder, position = PATHS[attempt.name]
        path = ""
        if position is not None and attempt.arguments[position]:
            path = text(memory(attempt.thread, attempt.arguments[position], 4096))
        base = "cwd"
        if folder is not None and attempt.arguments[folder] & 0xFFFFFFFF != AT_FDCWD & 0xFFFFFFFF:
            base = f"fd/{attempt.arguments[folder] & 0xFFFFFFFF}"
        try:
            start = "" if path.startswith("/") else os.readlink(f"/proc/{attempt.thread}/{base}")
        except OSError:
            start = "?"
        head, tail = os.path.split(os.path.normpath(os.path.join(start, path)) if path else start)
        if tail and head.startswith(f"/proc/{attempt.thread}/fd"):
            return None  # its own open files
        full = os.path.join(os.path.realpath(head), tail)
        if full in SINKS or within(full, self._writes) or not full.startswith("/"):
            return None
        return Refusal(attempt.name, repr(full), errno.EACCES)

    def _address(self, attempt: Attempt) -> Refusal | None:
        name, args = attempt.name, attempt.arguments
        if name in ("connect", "bind"):
            where, size = args[1], args[2]
        elif name == "sendto":
            where, size = args[4], args[5]
        else:
            header = memory(attempt.thread, args[1], 16)
            if len(header) < 12:
                return Refusal(name, "?", errno.EPERM)
            where, size = struct.unpack_from("=QI", header)
            if not where:
                return None
        address = memory(attempt.thread, where, min(size & 0xFFFF, 128))
        if len(address) < 2:
            return Refusal(name, "?", errno.EPERM)
        family = struct.unpack_from("=H", address)[0]
        if family in (AF_UNSPEC, AF_NETLINK):
            return None
        shown = render(family, address)
        if family == AF_UNIX and shown.startswith(QUIET):
            return Refusal(name, shown, errno.ENOENT, told=False)
        return Refusal(name, shown, errno.ENETUNREACH if family in (AF_INET, AF_INET6) else errno.EPERM)


def render(family: int, address: bytes) -> str:
    """A socket address for people."""
    if family == AF_UNIX:
        return text(address[2:]) or "@" + text(address[3:])
    if family == AF_INET and len(address) >= 8:
        return f"{ipaddress.IPv4Address(address[4:8])}:{int.from_bytes(address[2:4], 'big')}"
    if family == AF_INET6 and len(address) >= 24:
        return f"[{ipaddress.IPv6Address(address[8:24])}]:{int.from_bytes(address[2:4], 'big')}"
    return f"address family {family}"


def group(thread: int) -> int:
    """The process that a thread belongs to; the thread's own number where it is gone."""
    return next((int(line.split()[1]) for line in _lines(f"/proc/{thread}/status") if line.startswith("Tgid:")), thread)


def _lines(path: str) -> list[str]:
    try:
        with open(path) as file:
            return file.readlines()
    except OSError:
        return []


def memory(thread: int, address: int, size: int) -> bytes:
    """What stands in a process's memory; empty where that can't be read. A string may end near the end of what is mapped."""
    try:
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as file:
            for length in (size, min(size, 4096 - address % 4096)):
                try:
                    return os.pread(file.fileno(), length, address)
                except OSError:
                    continue
    except OSError:
        pass
    return b""


def text(data: bytes) -> str:
    """A C string."""
    return data.split(b"\0", 1)[0].decode(errors="replace")
