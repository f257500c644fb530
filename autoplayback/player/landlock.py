"""Landlock: the kernel refuses this process, and all it starts, files outside the given folders. Needs no rights; Linux 5.13.

What is open already stays open. Layers add up: a process may restrict itself further, never less.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from autoplayback.player import kernel

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_AND_REMOVE = 0x1FF0  # remove_dir, remove_file, make_char, dir, reg, sock, fifo, block, sym
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_FILE_ONLY = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE

BEGIN, THROUGH, BACK = 0, 0x1000, 0x1001
"""What a supervisor is told of reads: from now on they are judged; one that may read what it needs goes through; it is over."""
READS = _READ_FILE | _READ_DIR


def moves() -> int:
    """Moving and linking between folders, which every ruleset refuses unless it says otherwise."""
    return _REFER if abi() >= 2 else 0


def writes() -> int:
    """Everything that changes a file system, as far as this kernel can refuse it."""
    version = abi()
    return _WRITE_FILE | _MAKE_AND_REMOVE | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)


def abi() -> int:
    """The kernel's version of Landlock; 0 or less where it has none."""
    if not kernel.SUPPORTED:
        return 0
    return kernel.syscall(_CREATE, 0, 0, 1)


class _Ruleset(ctypes.Structure):
    _fields_ = [("handled_access_fs", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def ruleset(handled: int, allowed: Iterable[str], partly: Iterable[str] = (), part: int = 0) -> int | None:
    """A ruleset that refuses `handled` accesses but beneath `allowed` paths, and all but `part` of them beneath `partly`: a file
    descriptor for `restrict`; None where not offered."""
    if abi() < 1:
        return None
    attributes = _Ruleset(handled)
    rules = kernel.syscall(_CREATE, ctypes.addressof(attributes), ctypes.sizeof(attributes), 0)
    if rules < 0:
        return None
    for path, access in [*((path, handled) for path in allowed), *((path, part) for path in partly)]:
        try:
            beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # isn't there, so nothing to allow
        folder = os.path.isdir(path)
        rule = _Beneath(access if folder else access & _FILE_ONLY, beneath)
        kernel.syscall(_ADD, rules, 1, ctypes.addressof(rule), 0)
        os.close(beneath)
    return rules


def restrict(rules: int) -> bool:
    """Puts a ruleset into force for this thread and whatever it starts, for good."""
    kernel.no_new_privileges()
    return kernel.syscall(_RESTRICT, rules, 0) == 0


def announce(word: int) -> None:
    """Makes the call that restricts with nothing to put into force, for the supervisor to hear: `BEGIN`, `THROUGH` or `BACK`."""
    if kernel.SUPPORTED:
        kernel.syscall(_RESTRICT, -1, word)
