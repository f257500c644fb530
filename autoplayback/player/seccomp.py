"""A seccomp filter whose refusals are told: system calls that leave the process stop at a supervisor, which judges each.

The audit hook sees what Python does; this sees what C libraries and ctypes do (libpq, grpc, uvloop). A refusal that nobody
noticed would let a swallowed error pass as equal, which is why the filter asks (SECCOMP_RET_USER_NOTIF) where it could refuse,
reads too: to be asked costs some 30 µs for each file that is opened, a twentieth of what an import spends on it. What nothing
asks about: whether a file exists, its attributes and where a link leads (stat, readlink, O_PATH).
Linux 5.0 or later; inherited by every thread and fork.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from dataclasses import dataclass

from autoplayback.player import kernel

_SET_MODE_FILTER, _NEW_LISTENER = 1, 1 << 3
_ALLOW, _NOTIFY, _ERRNO = 0x7FFF0000, 0x7FC00000, 0x00050000
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_CONTINUE = 1
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE = 0, 4

# fmt: off
NUMBERS = {
    "x86_64": {
        "open": 2, "socket": 41, "connect": 42, "sendto": 44, "sendmsg": 46, "bind": 49, "socketpair": 53, "clone": 56,
        "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "truncate": 76, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85,
        "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94,
        "ptrace": 101, "rt_sigqueueinfo": 129, "utime": 132, "mknod": 133, "pivot_root": 155, "chroot": 161, "settimeofday": 164,
        "mount": 165, "umount2": 166, "reboot": 169, "sethostname": 170, "init_module": 175, "setxattr": 188, "lsetxattr": 189,
        "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "tkill": 200, "clock_settime": 227,
        "tgkill": 234, "utimes": 235, "add_key": 248, "request_key": 249, "keyctl": 250, "openat": 257, "mkdirat": 258,
        "mknodat": 259, "fchownat": 260, "futimesat": 261, "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266,
        "fchmodat": 268, "unshare": 272, "utimensat": 280, "rt_tgsigqueueinfo": 297, "perf_event_open": 298,
        "fanotify_init": 300, "open_by_handle_at": 304, "sendmmsg": 307, "setns": 308, "process_vm_readv": 310,
        "process_vm_writev": 311, "finit_module": 313, "renameat2": 316, "bpf": 321, "execveat": 322, "shmget": 29,
        "semget": 64, "msgget": 68, "mq_open": 240,
    },
    "aarch64": {
        "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16, "mknodat": 33,
        "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "umount2": 39, "mount": 40,
        "pivot_root": 41, "truncate": 45, "chroot": 51, "fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55,
        "openat": 56, "utimensat": 88, "unshare": 97, "init_module": 105, "clock_settime": 112, "ptrace": 117, "kill": 129,
        "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "reboot": 142, "sethostname": 161, "settimeofday": 170,
        "socket": 198, "socketpair": 199, "bind": 200, "connect": 203, "sendto": 206, "sendmsg": 211, "add_key": 217,
        "request_key": 218, "keyctl": 219, "clone": 220, "execve": 221, "rt_tgsigqueueinfo": 240, "perf_event_open": 241,
        "fanotify_init": 262, "open_by_handle_at": 265, "setns": 268, "sendmmsg": 269, "process_vm_readv": 270,
        "process_vm_writev": 271, "finit_module": 273, "renameat2": 276, "bpf": 280, "execveat": 281, "shmget": 194,
        "semget": 190, "msgget": 186, "mq_open": 180,
    },
}
COMMON = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432,
    "fspick": 433, "clone3": 435, "openat2": 437, "pidfd_getfd": 438, "mount_setattr": 442, "landlock_restrict_self": 446,
    "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466, "file_setattr": 469
}
"""From Linux 5.1 on, every architecture counts alike."""
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SECCOMP = {"x86_64": 317, "aarch64": 277}
NAMES = {number: name for name, number in {**NUMBERS.get(kernel.MACHINE, {}), **COMMON}.items()}

ASKED = (
    "connect", "bind", "fork", "vfork", "execve", "execveat", "kill", "tkill", "tgkill", "rt_sigqueueinfo",
    "rt_tgsigqueueinfo", "creat", "truncate", "mkdir", "mkdirat", "mknod", "mknodat", "rmdir", "unlink", "unlinkat", "rename",
    "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "chmod", "fchmod", "chown", "fchown", "lchown", "fchmodat",
    "fchmodat2", "fchownat", "utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr", "removexattr",
    "lremovexattr", "fremovexattr", "landlock_restrict_self"
)
REFUSED = (
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_send_signal", "pidfd_getfd", "unshare", "setns", "mount",
    "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsmount", "fspick", "mount_setattr", "bpf",
    "perf_event_open", "fanotify_init", "open_by_handle_at", "keyctl", "add_key", "request_key", "reboot", "sethostname",
    "settimeofday", "clock_settime", "init_module", "finit_module"
)
"""Nothing a service does in an operation, and each a way around the others: refused whatever they say, and told."""
SHARED = (
    "shmget", "semget", "msgget", "mq_open"
)
"""System V and POSIX message queues and memory: the machine's, unless an IPC namespace makes them ours."""
ABSENT = (
    "io_uring_setup", "clone3", "openat2", "setxattrat", "removexattrat", "file_setattr"
)
"""Said not to exist: their arguments stand in memory where no filter sees them, or they are new names for what older ones do;
every libc falls back on the older call."""
# fmt: on
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
PATH_ONLY = getattr(os, "O_PATH", 0)
CLONE_THREAD = 0x00010000
FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: may be made, since libraries probe with them; `connect` and `bind` are then judged."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A system call that stands still until the supervisor has said what becomes of it."""

    id: int
    thread: int
    name: str
    arguments: tuple[int, ...]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def install(channel: int, own_ipc: bool) -> int | None:
    """Puts the filter into force for this thread and all it starts; gives the descriptor on which attempts arrive, None where
    not offered.

    `channel` is the descriptor of the one socket that may send descriptors unasked: the caller's to its supervisor.
    """
    if not kernel.SUPPORTED or not kernel.no_new_privileges():
        return None
    code = program(channel, own_ipc)
    filter_program = _Program(len(code) // 8, code)
    listener = kernel.syscall(SECCOMP[kernel.MACHINE], _SET_MODE_FILTER, _NEW_LISTENER, ctypes.addressof(filter_program))
    return listener if listener >= 0 else None


def program(channel: int, own_ipc: bool) -> bytes:
    """The filter as BPF instructions."""
    known = {**NUMBERS[kernel.MACHINE], **COMMON}
    refuse, absent = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, ARCHITECTURES[kernel.MACHINE]),
        (_RETURN, 0, 0, refuse),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, 0x40000000),
        (_RETURN, 0, 0, refuse),  # the x32 calls are the same by other numbers
    ]

    def when(name: str, *body: tuple[int, int, int, int]) -> None:
        if name in known:
            code.extend([(_EQUAL, 0, len(body), known[name]), *body])

    for names, action in (((*ASKED, *REFUSED, *(() if own_ipc else SHARED)), _NOTIFY), (ABSENT, absent)):
        for name in names:
            when(name, (_RETURN, 0, 0, action))
    allow, notify = (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _NOTIFY)
    when("clone", (_LOAD, 0, 0, _low(0)), (_ANY_BIT, 0, 1, CLONE_THREAD), allow, notify)
    for name, position in (("open", 1), ("openat", 2)):
        when(name, (_LOAD, 0, 0, _low(position)), (_ANY_BIT, 0, 1, PATH_ONLY), allow, notify)
    # A datagram pair could still send to any path by address; streams can't.
    when("socketpair", (_LOAD, 0, 0, _low(1)), (_AND, 0, 0, 0xF), (_EQUAL, 1, 0, 1), (_EQUAL, 0, 1, 5), allow, notify)
    checks = [(_EQUAL, len(FAMILIES) - i, 0, family) for i, family in enumerate(FAMILIES)]
    when("socket", (_LOAD, 0, 0, _low(0)), *checks, notify, allow)
    when("sendto", (_LOAD, 0, 0, _low(4)), (_EQUAL, 0, 3, 0), (_LOAD, 0, 0, _low(4) + 4), (_EQUAL, 0, 1, 0), allow, notify)
    for name in ("sendmsg", "sendmmsg"):
        when(name, (_LOAD, 0, 0, _low(0)), (_EQUAL, 0, 1, channel), allow, notify)
    code.append(allow)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _low(position: int) -> int:
    """Where the lower half of an argument stands."""
    return 16 + 8 * position


def receive(listener: int) -> Attempt | None:
    """The next attempt; None where its process is gone already."""
    buffer = bytearray(_NOTIFICATION.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, buffer, True)
    except OSError:
        return None
    id, thread, _, number, _, _, *arguments = _NOTIFICATION.unpack(buffer)
    return Attempt(id, thread, NAMES.get(number) or str(number), tuple(arguments))


def allow(listener: int, attempt: Attempt) -> None:
    """Lets the call be made."""
    _respond(listener, _RESPONSE.pack(attempt.id, 0, 0, _CONTINUE))


def refuse(listener: int, attempt: Attempt, reason: int) -> None:
    """Lets the call fail with an errno."""
    _respond(listener, _RESPONSE.pack(attempt.id, 0, -reason, 0))


def _respond(listener: int, response: bytes) -> None:
    try:
        fcntl.ioctl(listener, _SEND, bytearray(response), True)
    except OSError:
        return  # the process was killed meanwhile
