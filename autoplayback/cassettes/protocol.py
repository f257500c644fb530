"""What every cassette offers, whether it is memory, a folder or a bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from autoplayback.cassettes.query import Query
from autoplayback.errors import TapeNotFound
from autoplayback.tape.model import Summary, Tape


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing `verify` found wrong, and how much of it can still be read."""

    where: str
    """The segment's file or key."""
    text: str
    tape: str = ""
    """The id of the tape that is concerned; empty where it is the segment."""

    def __str__(self) -> str:
        return f"{self.where}: {self.tape + ': ' if self.tape else ''}{self.text}"


class Cassette(Protocol):
    """Where tapes are kept. Every method raises CassetteError where the store can't be reached, read or written."""

    url: str

    def summaries(self, query: Query | None = None) -> Iterator[Summary]:
        """The tapes that a query finds, newest first; all of them without one."""

    def load(self, tape_id: str) -> Tape:
        """One tape by its whole id. TapeNotFound where it isn't here, TapeError where it can't be read."""

    def resolve(self, prefix: str) -> str:
        """The id of the one tape that begins with `prefix`; TapeNotFound where there is none, or more than one."""

    def add(self, tapes: Iterable[Tape]) -> int:
        """Keeps tapes which aren't here yet, on disk when it returns; how many those were."""

    def delete(self, ids: Iterable[str]) -> int:
        """Erases tapes for good, from caches too; how many of them were here."""

    def verify(self) -> Iterator[Problem]:
        """Reads every byte and names what is damaged."""

    def losses(self) -> dict[str, int]:
        """How many tapes recorders dropped, by reason."""

    def forget_losses(self, before: int) -> None:
        """Removes such counts of recorders that began before an instant, in nanoseconds since the epoch."""

    def emptiness(self) -> str:
        """Where nothing is found: a sentence on what was looked at, and what to do."""

    def close(self) -> None:
        """Lets go of files and connections."""


def only(url: str, prefix: str, found: list[str]) -> str:
    """The one id among those `found` to begin with `prefix`; at most a few need to be given."""
    if prefix in found:
        return prefix
    if not found:
        raise TapeNotFound(url, f"no tape's id begins with {prefix!r}; `autoplayback list` shows those there are")
    if len(found) > 1:
        raise TapeNotFound(url, f"{prefix!r} is the beginning of several tapes' ids; write more of it: "
                                f"{', '.join(found[:3])}{', ...' if len(found) > 3 else ''}")
    return found[0]
