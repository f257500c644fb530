"""A cassette that lasts as long as its process: for tests, and for looking at a few tapes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from autoplayback.cassettes.packing import pack, unpack
from autoplayback.cassettes.protocol import Problem, only
from autoplayback.cassettes.query import Query
from autoplayback.errors import TapeError, TapeNotFound
from autoplayback.tape import segment
from autoplayback.tape.model import Summary, Tape
from autoplayback.tape.segment import EntryWriter


class MemoryCassette:
    """Holds tapes as the bytes they would have in a segment: nobody can change one that was added."""

    def __init__(self, url: str = "memory:") -> None:
        self.url = url
        self.entries: dict[str, tuple[Summary, bytes]] = {}

    def summaries(self, query: Query | None = None) -> Iterator[Summary]:
        """The tapes that a query finds, newest first."""
        return (query or Query()).choose(summary for summary, _ in list(self.entries.values()))

    def load(self, tape_id: str) -> Tape:
        """One tape by its whole id."""
        if tape_id not in self.entries:
            raise TapeNotFound(self.url, f"there is no tape {tape_id}")
        return unpack(self.entries[tape_id][1], tape_id)

    def resolve(self, prefix: str) -> str:
        """The id of the one tape that begins with `prefix`."""
        return only(self.url, prefix, sorted(id for id in self.entries if id.startswith(prefix)))

    def add(self, tapes: Iterable[Tape]) -> int:
        """Keeps tapes which aren't here yet."""
        writer, before = EntryWriter(), len(self.entries)
        for tape in tapes:
            if tape.id not in self.entries:
                data = pack(tape, writer).data
                self.entries[tape.id] = (segment.located(data).summary, data)
        return len(self.entries) - before

    def delete(self, ids: Iterable[str]) -> int:
        """Forgets tapes."""
        return sum(self.entries.pop(id, None) is not None for id in list(ids))

    def verify(self) -> Iterator[Problem]:
        """Names the tapes which can't be read."""
        for id in list(self.entries):
            try:
                self.load(id)
            except TapeError as error:
                yield Problem(self.url, error.reason, id)

    def losses(self) -> dict[str, int]:
        """Nothing is ever dropped here."""
        return {}

    def forget_losses(self, before: int) -> None:
        """There are none."""

    def emptiness(self) -> str:
        """Why nothing is found."""
        return f"{self.url} holds {len(self.entries)} tapes"

    def close(self) -> None:
        """There is nothing to let go of."""
