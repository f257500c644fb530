"""What the runner tells a worker when it starts one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

PROTOCOL = 1
"""Of the messages between the tool and a worker, which may be of two installations of autoplayback."""


SCRATCH = "tape"
"""The folder below a worker's own which each tape finds empty, for what it writes."""


@dataclass(frozen=True, slots=True)
class Options:
    """One worker's task, the same for all of its tapes."""

    config: str
    """The YAML file."""
    workdir: str
    scratch: str
    operations: tuple[str, ...] = ()
    """The operations whose tapes it is going to be given; empty: all that are declared."""
    isolation: str = "auto"
    """`fork`, `spawn`, or `auto`: fork unless the service's import has started threads."""
    timeout: float = 60.0
    """Seconds that a tape may take; 0: no bound."""
    memory: int = 0
    """MB of memory that a tape's process may use; 0: no bound."""
    debug: bool = False
    """One tape in the foreground: the terminal is the service's, and nothing is cut off by time."""
    debugpy: int = 0
    """The port that an editor attaches to; 0: none."""
    processor: int | None = None
    """The one of the machine's processors that the worker keeps to; None: any."""
    protocol: int = PROTOCOL
    extra: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """For a message."""
        return asdict(self)

    @staticmethod
    def of(message: dict[str, Any]) -> Options:
        """From a message."""
        return Options(**{**message, "operations": tuple(message["operations"])})
