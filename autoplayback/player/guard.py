"""The supervisor's judgement of system calls that a replay's process has been stopped at: let through, or refused and told."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from autoplayback.player import landlock
from autoplayback.player.seccomp import PATH_ONLY, REFUSED, SHARED, WRITE_FLAGS, Attempt
from autoplayback.player.territory import SINKS, foreign, within

AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_ALG = 0, 1, 2, 10, 16, 38
AT_FDCWD = (1 << 32) - 100
QUIET = ("/var/run/nscd/socket", "/run/nscd/socket", "/run/systemd/userdb/", "/run/systemd/resolve/", "/var/run/.nscd")
"""Where libc looks before it reads /etc itself: refused as absent, and no fault of the service's."""
LISTED = ("/run/systemd/userdb", *(path.rstrip("/") for path in QUIET))
OWN = {
    "/proc/self/": "/",
    "/proc/thread-self/": "/",
    "/dev/fd/": "/fd/",
    "/dev/stdin": "/fd/0",
    "/dev/stdout": "/fd/1",
    "/dev/stderr": "/fd/2",
}
"""What means another file to each process that asks, and so to the supervisor."""
PROCESSES = ("clone", "fork", "vfork")
SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
PATHS: dict[str, tuple[tuple[int | None, int | None], ...]] = {
    "creat": ((None, 0),),
    "truncate": ((None, 0),),
    "mkdir": ((None, 0),),
    "mkdirat": ((0, 1),),
    "mknod": ((None, 0),),
    "mknodat": ((0, 1),),
    "rmdir": ((None, 0),),
    "unlink": ((None, 0),),
    "unlinkat": ((0, 1),),
    "rename": ((None, 0), (None, 1)),
    "renameat": ((0, 1), (2, 3)),
    "renameat2": ((0, 1), (2, 3)),
    "link": ((None, 1),),
    "linkat": ((2, 3),),
    "symlink": ((None, 1),),
    "symlinkat": ((1, 2),),
    "chmod": ((None, 0),),
    "fchmod": ((0, None),),
    "chown": ((None, 0),),
    "lchown": ((None, 0),),
    "fchown": ((0, None),),
    "fchmodat": ((0, 1),),
    "fchmodat2": ((0, 1),),
    "fchownat": ((0, 1),),
    "utime": ((None, 0),),
    "utimes": ((None, 0),),
    "futimesat": ((0, 1),),
    "utimensat": ((0, 1),),
    "setxattr": ((None, 0),),
    "lsetxattr": ((None, 0),),
    "fsetxattr": ((0, None),),
    "removexattr": ((None, 0),),
    "lremovexattr": ((None, 0),),
    "fremovexattr": ((0, None),),
}
"""Per call that changes files, which arguments are the open folder (or file) and the path."""
OPENS: dict[str, tuple[tuple[int | None, int | None], int]] = {"open": ((None, 0), 1), "openat": ((0, 1), 2)}
"""Likewise for those that open one, with the argument of the flags."""
ALWAYS = {*REFUSED, *SHARED}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A system call that was refused: what it is called in a report, and the errno its caller sees."""

    event: str
    what: str
    errno: int
    told: bool = True


class Guard:
    """Judges for one worker: `host` is the process that imports the service and forks, `writes` the folders it may write.

    What is read is judged once a process restricts its own reads, which it does as an operation begins.
    """

    def __init__(self, host: int, writes: tuple[str, ...], own_shm: bool, *, debugging: bool = False) -> None:
        """`debugging`: a debugger's own files may be asked for, in vain, without being held against the service."""
        self._host = host
        self._writes = dict.fromkeys((*writes, *(("/dev/shm",) if own_shm else ())))
        self._debugging = debugging
        self._known: dict[str, bool] = {}
        self._operating = 0
        """The process whose operation is running."""
        self.playing = 0
        """The process that plays a tape, as far as it has said so; its first thread has the same number."""
        self._through = 0
        """Calls under way that may read what they need."""
        self._reads: dict[str, None] = {}
        self._forks = True

    def ready(self, reads: Iterable[str], *, forks: bool) -> None:
        """The service is imported: `reads` is what an operation may read; without `forks` the host plays it itself, so that it
        may no longer fork, nor end what it forked."""
        self._reads = self._writes | dict.fromkeys(reads)
        self._forks = forks
        self._operating = 0  # the host has rehearsed an operation

    def judge(self, attempt: Attempt) -> Refusal | None:
        """None lets the call through."""
        name, args = attempt.name, attempt.arguments
        if name in OPENS:
            return self._open(attempt)
        process = attempt.thread if attempt.thread in (self._host, self.playing) else group(attempt.thread)
        if name == "landlock_restrict_self":
            self._told(process, args[1])
            return None
        if name in PROCESSES:
            if process == self._host and self._forks:
                return None
            return Refusal(name, "a new process", errno.EPERM)
        if name in SIGNALS:
            return self._signal(process, name, args)
        if name in PATHS:
            return next(filter(None, (self._written(attempt, *places) for places in PATHS[name])), None)
        if name in ("execve", "execveat"):
            path = memory(attempt.thread, args[0 if name == "execve" else 1], 4096)
            return Refusal(name, repr(text(path)), errno.EPERM)
        if name in ALWAYS:
            return Refusal(name, ", ".join(map(str, args[:2])), errno.EPERM)
        if name in ("socket", "socketpair"):
            family, kind = args[0] & 0xFFFFFFFF, args[1] & 0xF
            return Refusal(name, f"address family {family}, type {kind}", errno.EAFNOSUPPORT, told=family != AF_ALG)
        return self._address(attempt)

    def _told(self, process: int, word: int) -> None:
        if word in (landlock.THROUGH, landlock.BACK):
            self._through += 1 if word == landlock.THROUGH else -1
        else:
            self._operating, self._through = process, 0

    def _signal(self, process: int, name: str, args: tuple[int, ...]) -> Refusal | None:
        to = args[0] & 0xFFFFFFFF
        if to == process or (process == self._host and self._forks) or (name == "tkill" and group(to) == process):
            return None
        return Refusal(name, str(to if to < 1 << 31 else to - (1 << 32)), errno.EPERM)

    def _open(self, attempt: Attempt) -> Refusal | None:
        places, position = OPENS[attempt.name]
        if attempt.arguments[position] & WRITE_FLAGS & ~PATH_ONLY:
            return self._written(attempt, *places)
        if not (self._operating and self._reads) or self._through > 0:
            return None
        if attempt.thread != self._operating and group(attempt.thread) != self._operating:
            return None
        asked = self._place(attempt, *places)
        known = self._known.get(asked)
        if known is None:
            known = self._known[asked] = self._readable(asked)
            if len(self._known) > 10_000:
                self._known.clear()
        if known:
            return None
        if asked.startswith(LISTED):
            return Refusal(attempt.name, repr(asked), errno.ENOENT, told=False)
        if not os.path.lexists(asked) or (self._debugging and asked.startswith(os.path.expanduser("~/."))):
            return None  # nothing is there to be read; or it is the debugger's, and the kernel refuses it
        return Refusal(f"{attempt.name} for reading", repr(asked), errno.EACCES)

    def _readable(self, path: str) -> bool:
        if foreign(path, self._operating):
            return False
        return within(os.path.realpath(path), self._reads)

    def _written(self, attempt: Attempt, folder: int | None, position: int | None) -> Refusal | None:
        full = self._place(attempt, folder, position)
        head, tail = os.path.split(full)
        if tail and head.startswith(f"/proc/{attempt.thread}/fd"):
            return None  # its own open files
        full = os.path.join(os.path.realpath(head), tail)
        if full in SINKS or within(full, self._writes) or not full.startswith("/"):
            return None
        return Refusal(attempt.name, repr(full), errno.EACCES)

    def _place(self, attempt: Attempt, folder: int | None, position: int | None) -> str:
        """The absolute path that a call names, its links not followed; what it calls its own is under its number."""
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
        full = os.path.normpath(os.path.join(start, path)) if path else start
        for own, named in OWN.items():
            if full.startswith(own):
                return f"/proc/{attempt.thread}{named}{full[len(own) :]}"
        return full

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
    try:
        status = os.open(f"/proc/{thread}/status", os.O_RDONLY)
    except OSError:
        return thread
    try:
        found = _GROUP.search(os.read(status, 1024))
    except OSError:  # it ended in between
        return thread
    finally:
        os.close(status)
    return int(found[1]) if found else thread


_GROUP = re.compile(rb"^Tgid:\s*(\d+)", re.MULTILINE)


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
