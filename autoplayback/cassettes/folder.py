"""Tapes in a folder: segments, those still being written included. The spool of a recorder is such a folder too."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autoplayback.cassettes import losses, tombstones
from autoplayback.cassettes.catalog import Catalog, CatalogLost
from autoplayback.cassettes.openfile import OPEN, SEALED, OpenSegment, make_folder, recover, rewrite
from autoplayback.cassettes.packing import pack, unpack
from autoplayback.cassettes.protocol import Problem, only
from autoplayback.cassettes.query import Query
from autoplayback.errors import CassetteError, NewerFormat, TapeError, TapeNotFound
from autoplayback.originals import open, time_ns
from autoplayback.tape import segment
from autoplayback.tape.model import Summary, Tape
from autoplayback.tape.segment import Entry, EntryWriter, Located, Scan

GRAIN = 2_000_000_000
"""Nanoseconds within which a file system may give two changes of a folder the same time."""
SEAL_BYTES = 8 << 20


class FolderCassette:
    """A folder of segments. The folder is the state; the catalog is only a faster way to look into it."""

    def __init__(self, folder: Path, *, service: str = "") -> None:
        """`service` is noted in the segments it writes itself."""
        self.folder = folder.absolute()
        self.url = str(self.folder)
        self.skipped: dict[str, str] = {}
        """Files the last look-up couldn't read, and why; `verify` says more."""
        self.waiting = 0
        """Deleted tapes whose file a recorder is still writing: hidden, not yet erased."""
        self._service = service
        self._catalog = Catalog(self.url)
        self._live: dict[str, tuple[Path, Located]] = {}
        self._buried: tuple[int, frozenset[str]] | None = None
        """The folder's time, and the tapes on tombstones then."""

    def summaries(self, query: Query | None = None) -> Iterator[Summary]:
        """The tapes that a query finds, newest first, those of running recorders included."""
        query = query or Query()
        self._synchronise()
        live = {id: at.summary for id, (_, at) in self._live.items()}
        try:
            return self._catalog.choose(query, live, self._gone())
        except CatalogLost:
            self._synchronise()
            return self._catalog.choose(query, live, self._gone())

    def load(self, tape_id: str) -> Tape:
        """One tape by its whole id."""
        for attempt in range(2):  # a segment may be sealed, or rewritten, between our looking and our reading
            try:
                place = self._live.get(tape_id) if attempt == 0 else None
                if place is None:
                    place = self._locate(tape_id, afresh=attempt == 1)
                path, at = place
                return unpack(_read(path, at.offset, at.length), tape_id)
            except (FileNotFoundError, TapeError) as error:
                if isinstance(error, NewerFormat) or attempt == 1:
                    if isinstance(error, FileNotFoundError):
                        raise TapeNotFound(self.url, f"there is no tape {tape_id} any more") from error
                    raise
            except OSError as error:
                raise CassetteError(self.url, f"can't read the tape {tape_id}: {error.strerror}") from error
        raise AssertionError("unreachable")

    def resolve(self, prefix: str) -> str:
        """The id of the one tape that begins with `prefix`."""
        self._synchronise()
        gone = self._gone()
        found = {*self._catalog.beginning(prefix, 4 + len(gone)), *(id for id in self._live if id.startswith(prefix))}
        return only(self.url, prefix, sorted(found - gone))

    def add(self, tapes: Iterable[Tape]) -> int:
        """Keeps tapes which aren't here yet, sealed when it returns."""
        try:
            make_folder(self.folder)
            self._synchronise()
            return self._add(tapes)
        except OSError as error:
            raise CassetteError(self.url, f"can't write: {error.strerror}") from error

    def delete(self, ids: Iterable[str]) -> int:
        """Erases tapes for good. Those in a file still being written are hidden now and erased by the next `maintain`."""
        wanted = frozenset(ids)
        self._synchronise()
        here = frozenset(id for id in wanted if id in self._live or self._catalog.locate(id)) - self._gone()
        if here:
            try:
                tombstones.write(self.folder, here)
            except OSError as error:
                raise CassetteError(self.url, f"can't delete here: {error.strerror}") from error
        if here or tombstones.standing(self.folder):
            self.maintain()
        return len(here)

    def maintain(self) -> None:
        """Finishes erasures, those that somebody else began too; `waiting` says how many can't be finished yet."""
        try:
            with self._alone():
                self._synchronise()
                self.waiting = 0
                for path, ids in tombstones.standing(self.folder).items():
                    self._erase(ids)
                    alive = ids & self._live.keys()
                    self.waiting += len(alive)
                    if not alive:
                        path.unlink()
        except OSError as error:
            raise CassetteError(self.url, f"can't erase tapes here: {error.strerror}") from error

    def verify(self) -> Iterator[Problem]:
        """Reads every byte: frames and CRCs, the index against the entries, each tape's checksum and form."""
        self._existing()
        for _ in recover(self.folder):
            pass
        for path in sorted([*self.folder.glob("*" + SEALED), *self.folder.glob("*" + OPEN)]):
            try:
                with open(path, "rb") as file:
                    yield from check_segment(path.name, file.read(), sealed=path.suffix == SEALED)
            except FileNotFoundError:
                continue
            except OSError as error:
                yield Problem(path.name, f"can't be read: {error.strerror}")

    def losses(self) -> dict[str, int]:
        """How many tapes recorders dropped, by reason."""
        return losses.total(self.folder)

    def forget_losses(self, before: int) -> None:
        """Removes old counts."""
        losses.forget(self.folder, before)

    def emptiness(self) -> str:
        """Why nothing is found."""
        if not self.folder.is_dir():
            return f"{self.url}: there is no such folder; record first, or name another with --tapes"
        try:
            others = sum(1 for _ in self.folder.iterdir())
        except OSError as error:
            return f"{self.url}: can't be read: {error.strerror}"
        if not others:
            return f"{self.url}: the folder is empty; start the service with AUTOPLAYBACK=record and send it requests"
        return f"{self.url}: there is no tape in it"

    def close(self) -> None:
        """Lets go of the catalog."""
        self._catalog.close()

    def _existing(self) -> None:
        if not self.folder.is_dir():
            reason = "this is a file, not a folder of tapes" if self.folder.exists() else \
                "there is no such folder; record first, or name another with --tapes"
            raise CassetteError(self.url, reason)
        if not os.access(self.folder, os.R_OK | os.X_OK):
            raise CassetteError(self.url, "this user may not read it (folders of tapes are private to who recorded them)")

    def _synchronise(self) -> None:
        """Seals what dead recorders left, reads new footers into the catalog and the rows of live files into memory."""
        self._existing()
        for _ in recover(self.folder):
            pass
        self.skipped = {}
        self._live = {at.summary.tape: (path, at) for path, found in self._open_segments() for at in found.entries}
        stamps = {}
        for file in os.scandir(self.folder):
            if file.name.endswith(SEALED):
                try:
                    status = file.stat()
                except FileNotFoundError:
                    continue
                stamps[file.name] = f"{status.st_size}-{status.st_mtime_ns}"
        try:
            known = self._catalog.segments()
        except CatalogLost:
            known = self._catalog.segments()
        changed = sorted(name for name, stamp in stamps.items() if known.get(name) != stamp)
        gone = [name for name in known if name not in stamps or name in changed]
        found = ((name, rows) for name in changed if (rows := self._rows_of(name)) is not None)
        # A damaged segment is read anew each time, so that each reader is told.
        self._catalog.update(((name, "" if name in self.skipped else stamps[name], rows) for name, rows in found), gone)

    def _rows_of(self, name: str) -> list[Located] | None:
        try:
            rows, lost = read_segment(self.folder / name)
        except FileNotFoundError:
            return None
        except (TapeError, OSError) as error:
            self.skipped[name] = str(error)
            return None
        if lost:
            self.skipped[name] = lost
        return rows

    def _open_segments(self) -> Iterator[tuple[Path, Scan]]:
        for path in sorted(self.folder.glob("*" + OPEN)):
            try:
                with open(path, "rb") as file:
                    yield path, segment.scan(file.read())
            except FileNotFoundError:
                continue
            except (TapeError, OSError) as error:
                self.skipped[path.name] = str(error)

    def _locate(self, tape_id: str, *, afresh: bool = False) -> tuple[Path, Located]:
        for look in (afresh, True):
            if look:
                self._synchronise()
            if tape_id in self._live:
                return self._live[tape_id]
            found = self._catalog.locate(tape_id)
            if found is not None and (self.folder / found[0]).exists() and tape_id not in self._gone():
                name, offset, length = found
                return self.folder / name, Located(_NOWHERE, offset, length)
        raise TapeNotFound(self.url, f"there is no tape {tape_id}; `autoplayback list` shows those there are")

    def _gone(self) -> frozenset[str]:
        """The tapes on tombstones, which each load asks for: looked up again when something in the folder has changed."""
        changed = os.stat(self.folder).st_mtime_ns
        if self._buried is None or self._buried[0] != changed:
            found = frozenset().union(*tombstones.standing(self.folder).values())
            # Right after a change another one may leave the same time.
            self._buried = (changed, found) if time_ns() - changed > GRAIN else None
            return found
        return self._buried[1]

    def _add(self, tapes: Iterable[Tape]) -> int:
        packer, added = EntryWriter(), set()
        file: OpenSegment | None = None
        try:
            for tape in tapes:
                if tape.id in added or tape.id in self._live or self._catalog.locate(tape.id):
                    continue
                if file is None:
                    file = OpenSegment(self.folder, {"service": self._service})
                if not file.append([pack(tape, packer)]):
                    raise OSError(28, "no space left on the disk", str(file.path))
                added.add(tape.id)
                if file.size >= SEAL_BYTES:
                    full, file = file, None
                    full.seal()
        finally:
            if file is not None:
                file.seal()
        return len(added)

    def _erase(self, ids: Collection[str]) -> None:
        """Rewrites the sealed segments which hold any of these tapes, then empties the catalog of them."""
        for path in sorted(self.folder.glob("*" + SEALED)):
            try:
                rows = read_rows(path)
            except TapeError:
                continue
            if not any(at.summary.tape in ids for at in rows):
                continue
            with open(path, "rb") as file:
                data = file.read()
            info, _ = segment.read_header(data)
            kept = [data[at.offset:at.offset + at.length] for at in rows if at.summary.tape not in ids]
            rewrite(path, info, [Entry(segment.row_of(entry), entry) for entry in kept])
        self._catalog.erase(ids)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps two maintainers of one folder from rewriting the same segment."""
        fd = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


_NOWHERE = Summary("", "", 0, 0.0, "returned", 0, 0)


def read_rows(path: Path) -> list[Located]:
    """The rows of a sealed segment. TapeError where it is no segment."""
    return read_segment(path)[0]


def read_segment(path: Path) -> tuple[list[Located], str]:
    """The rows of a sealed segment from its footer, or by a scan where that is cut off; and what it lost (empty: nothing).
    TapeError where it is no segment."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        segment.read_header(file.read(4096))
        file.seek(max(0, size - segment.FOOTER_BYTES))
        place = segment.index_range(file.read(), size)
        if place is not None:
            file.seek(place[0])
            try:
                return segment.read_index(file.read(place[1]), place[0]), ""
            except TapeError:
                pass
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data, memoryview(data) as view:
            entries = segment.scan(view).entries
            return entries, f"damaged or cut off: of its tapes only {len(entries)} can be found"


def check_segment(name: str, data: bytes, *, sealed: bool = True) -> Iterator[Problem]:
    """Everything that can be wrong with one segment."""
    try:
        found = segment.scan(data)
    except TapeError as error:
        yield Problem(name, error.reason)
        return
    for offset, length in found.damage:
        yield Problem(name, f"{length} bytes at offset {offset} are damaged; the tapes around them can be read")
    if sealed and not found.sealed:
        yield Problem(name, f"its end is cut off; the {len(found.entries)} tapes before it can be read")
    if found.sealed:
        offset, length = segment.index_range(data[-segment.FOOTER_BYTES:], len(data)) or (0, 0)
        try:
            if segment.read_index(data[offset:offset + length], offset) != found.entries:
                yield Problem(name, "its index doesn't say what the segment holds")
        except TapeError as error:
            yield Problem(name, error.reason)
    for at in found.entries:
        try:
            unpack(data[at.offset:at.offset + at.length], at.summary.tape)
        except TapeError as error:
            yield Problem(name, error.reason, at.summary.tape)


def _read(path: Path, offset: int, length: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(length)
