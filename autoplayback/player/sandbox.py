"""The sandbox of one host process: the boundaries that this kernel gives, put up in order, and the tripwire in front of them.

    before the service's import   own network and IPC namespaces, a private /dev/shm, Landlock on writes, the seccomp filter
    before each tape              Landlock on reads
    the operation runs            the tripwire raises Diverged at the place that tried

Each is put up where it can be; `boundary` says which are in force, and the result of every tape carries it.
"""

from __future__ import annotations

from collections.abc import Callable

from autoplayback.player import kernel, landlock, seccomp, tripwire
from autoplayback.player.territory import Territory


class Sandbox:
    """What closes one host off. Everything it does holds for good, and for all that the process starts."""

    def __init__(self, territory: Territory) -> None:
        self._territory = territory
        self._reads: int | None = None
        self.own_shm = False
        self.listener: int | None = None
        self._boundary: list[str] = []

    @property
    def boundary(self) -> tuple[str, ...]:
        """What is in force, strongest first."""
        return (*self._boundary, "audit hook")

    def close(self, channel: int, *, debugging: bool = False) -> None:
        """Puts up what holds from before the service's import on. `channel` is the socket to the supervisor; the caller then
        sends it `listener`, on which refused calls of C code arrive."""
        own_ipc = kernel.leave_networks()
        if own_ipc:
            self._boundary.append("network namespace")
            self.own_shm = kernel.private_shared_memory()
        shared = ("/dev/shm",) if self.own_shm else ()
        rules = landlock.ruleset(landlock.writes(), (*self._territory.writes, *shared))
        if rules is not None and landlock.restrict(rules):
            self._boundary.append("landlock")
        self.listener = seccomp.install(channel, own_ipc)
        if self.listener is not None:
            self._boundary.append("seccomp")
        tripwire.install(debugging=debugging)

    @property
    def reads(self) -> tuple[str, ...]:
        """What an operation may read, once sealed."""
        return self._territory.reads

    def seal(self, *, reads: bool) -> None:
        """The service is imported: its folders are known. `reads` says whether reading elsewhere is refused by the kernel too."""
        self._territory.extend()
        if reads:
            ours = (self._territory.scratch, *(("/dev/shm",) if self.own_shm else ()))
            self._reads = landlock.ruleset(landlock.READS | landlock.moves(), ours, self._territory.reads, landlock.READS)

    def importing(self, refuse: tripwire.Refuse) -> None:
        """The service is imported or set up: it may read anything, and its refusals are ordinary errors."""
        self._territory.reads_anything = True
        tripwire.arm(self._territory, refuse)

    def operating(self, refuse: tripwire.Refuse, let_through: Callable[[], bool] | None) -> None:
        """The operation runs; `let_through` says whether a call is under way that may read what it needs."""
        self._territory.let_through = let_through
        self._territory.reads_anything = False
        if self._reads is not None:
            landlock.restrict(self._reads)
        else:
            landlock.announce(landlock.BEGIN)
        tripwire.arm(self._territory, refuse)

    def letting(self, through: bool) -> None:
        """A call begins that may read what it needs, or is over: for what native code reads, which the supervisor judges."""
        landlock.announce(landlock.THROUGH if through else landlock.BACK)

    def off(self) -> None:
        """Our own code goes on; the kernel's boundaries stay."""
        tripwire.disarm()
