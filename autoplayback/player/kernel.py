"""The few system calls behind the sandbox which Python has no function for. Linux on x86-64 and arm64; elsewhere nothing.

Small enough to read whole: each function makes one call and says whether it worked. Policy is `sandbox`'s, filters `seccomp`'s.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
MS_REC, MS_PRIVATE, MS_NOSUID, MS_NODEV = 0x4000, 1 << 18, 2, 4
SIGKILL = 9

MACHINE = platform.machine() if sys.platform == "linux" else ""
SUPPORTED = MACHINE in ("x86_64", "aarch64") and sys.byteorder == "little"

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def syscall(number: int, *args: int) -> int:
    """A raw system call, pointers as their addresses; -1 where it failed, with the reason in `errno()`."""
    if _libc is None:
        return -1
    # Addresses must travel whole: a plain Python int would be cut to a C int.
    return int(_libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, args)))


def errno() -> int:
    """Why the last call failed."""
    return ctypes.get_errno()


def prctl(option: int, value: int) -> bool:
    """Sets one attribute of this process."""
    return (
        _libc is not None
        and _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) == 0
    )


def die_with_parent(parent: int | None = None) -> None:
    """Lets the kernel kill this process when its parent ends, however that ends.

    Where that has happened before the kernel could be told, so that somebody else than `parent` is the parent now, it ends here.
    """
    prctl(PR_SET_PDEATHSIG, SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


_gave_up = False


def no_new_privileges() -> bool:
    """Gives up gaining rights by exec; the kernel asks that of whoever restricts itself without being root. Forks inherit it."""
    global _gave_up
    _gave_up = _gave_up or prctl(PR_SET_NO_NEW_PRIVS, 1)
    return _gave_up


def leave_networks() -> bool:
    """Moves this process into a network and IPC namespace of its own, which has no interface that is up.

    Without being root that takes a user namespace, in which the process keeps its own user and group.
    """
    if _libc is None:
        return False
    user, group = os.getuid(), os.getgid()
    if _libc.unshare(CLONE_NEWNET | CLONE_NEWIPC) == 0:
        return True
    if _libc.unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) != 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        try:
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
        except OSError:
            continue  # the process is then nobody; it is closed off all the same
    return True


def private_shared_memory() -> bool:
    """Puts an empty /dev/shm, seen by this process and its children alone, over the machine's: semaphores need one."""
    if _libc is None or _libc.unshare(CLONE_NEWNS) != 0:
        return False
    if _libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None) != 0:
        return False
    return bool(_libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", ctypes.c_ulong(MS_NOSUID | MS_NODEV), b"size=256m") == 0)
