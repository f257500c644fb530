"""Which files belong to a replay: it reads the interpreter, installed packages and the code under test, writes its scratch.

The rule for reads, as the README states it: what is installed (the interpreter, `sys.path`, the system's libraries and static
data such as time zones and certificates) and what lies in the working directory, which is the code's own package data. All
else is the operation's to declare. While the service is imported it may read anything (its settings are its own), write nothing.
Of /proc it reads what says something of itself and of the machine, not of other processes. Whether a file exists, its
attributes and where a link leads is no content, and asked freely everywhere.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

# fmt: off
SYSTEM = (
    "/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/opt/homebrew", "/Library", "/System", "/nix/store", "/gnu/store",
    "/etc/localtime", "/etc/timezone", "/etc/zoneinfo", "/etc/ssl", "/etc/pki", "/etc/ca-certificates",
    "/etc/ca-certificates.conf", "/etc/mime.types", "/etc/httpd/mime.types", "/etc/apache/mime.types", "/etc/apache2/mime.types",
    "/etc/nginx/mime.types", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/hosts",
    "/etc/resolv.conf", "/etc/gai.conf", "/etc/passwd", "/etc/group", "/etc/protocols", "/etc/services", "/etc/os-release",
    "/etc/lsb-release", "/etc/debian_version", "/etc/locale.conf", "/etc/locale.alias", "/etc/fonts", "/etc/terminfo",
    "/etc/inputrc", "/etc/machine-id", "/etc/crypto-policies", "/proc", "/sys/devices/system", "/sys/kernel/mm",
    "/sys/fs/cgroup", "/dev/null", "/dev/zero", "/dev/full",
    "/dev/random", "/dev/urandom", "/dev/tty", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"
)
# fmt: on
"""Static data of the system, the same on each start; /proc shows this process and the machine's make."""
SINKS = ("/dev/null", "/dev/full", "/dev/tty", "/dev/stdout", "/dev/stderr")
"""Devices that keep nothing."""


class Territory:
    """The folders of one worker. Built before the service is imported; `extend` takes in what its import put on sys.path."""

    def __init__(self, workdir: str, scratch: str) -> None:
        self.scratch = os.path.realpath(scratch)
        self._workdir = workdir
        self._reads: dict[str, None] = {}
        self._known: dict[Any, bool] = {}
        self.reads_anything = True
        """While the service is imported."""
        self.let_through: Callable[[], bool] | None = None
        """Says whether a call is running that `on_missing: call` lets through: it may read what it needs."""
        self.extend()

    @property
    def reads(self) -> tuple[str, ...]:
        """The folders and files that may be read, with what is below them."""
        return tuple(self._reads)

    @property
    def writes(self) -> tuple[str, ...]:
        """The folders and devices that may be written."""
        return (self.scratch, *SINKS)

    def extend(self) -> None:
        """Takes in the present sys.path; called again once the service's imports have changed it."""
        installed = [
            *SYSTEM,
            sys.prefix,
            sys.base_prefix,
            sys.exec_prefix,
            sys.base_exec_prefix,
            *sysconfig.get_paths().values(),
            *site.getsitepackages(),
            site.getusersitepackages(),
            *sys.path,
            self._workdir,
            self.scratch,
            os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + "/autoplayback",
        ]
        for path in installed:
            if path and os.path.exists(path):
                for form in (os.path.abspath(path), os.path.realpath(path)):
                    if form != "/":
                        self._reads[form] = None
        self._known.clear()

    def readable(self, path: Any) -> bool:
        """Whether a replayed operation may read it undeclared."""
        if self.reads_anything or (self.let_through is not None and self.let_through()):
            return True
        known = self._known.get(path)
        if known is None:
            full = os.path.abspath(os.fsdecode(path))
            known = not foreign(full, os.getpid()) and within(os.path.realpath(full), self._reads)
            if os.path.isabs(os.fsdecode(path)) and len(self._known) < 10_000:
                self._known[path] = known
        return known

    def writable(self, path: Any, folder: int = -1) -> bool:
        """Whether it may be written; `folder` is the open one that a relative path starts from."""
        text = os.fsdecode(path)
        if folder >= 0 and not os.path.isabs(text):
            text = os.path.join(f"/proc/self/fd/{folder}", text)
        head, tail = os.path.split(os.path.abspath(text))
        real = os.path.join(os.path.realpath(head), tail)
        return real in SINKS or within(real, (self.scratch,))


def foreign(path: str, process: int) -> bool:
    """Whether a path says something of another process than this one."""
    number = path[6:].partition("/")[0] if path.startswith("/proc/") else ""
    return number.isdigit() and int(number) != process and not os.path.exists(f"/proc/{process}/task/{number}")


def within(path: str, roots: Any) -> bool:
    """Whether a path is one of the roots or lies below one."""
    if path in roots:
        return True
    parent = os.path.dirname(path)
    while parent != path:
        if parent in roots:
            return True
        path, parent = parent, os.path.dirname(parent)
    return False
