"""Tapes in a bucket: the segments that recorders shipped. The catalog and a cache of segments keep requests few."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from autoplayback.cassettes import keys, losses, tombstones
from autoplayback.cassettes.bucket import Bucket, Item
from autoplayback.cassettes.catalog import Catalog, CatalogLost
from autoplayback.cassettes.folder import SEAL_BYTES, check_segment
from autoplayback.cassettes.openfile import inherited
from autoplayback.cassettes.packing import pack, unpack
from autoplayback.cassettes.places import cache_folder, digest
from autoplayback.cassettes.protocol import Problem, only
from autoplayback.cassettes.query import Query
from autoplayback.cassettes.segmentcache import SegmentCache
from autoplayback.config.settings import S3, Settings
from autoplayback.errors import TapeError, TapeNotFound
from autoplayback.originals import time_ns
from autoplayback.tape import segment, ulid
from autoplayback.tape.model import Summary, Tape
from autoplayback.tape.segment import Entry, EntryWriter, Located

TAIL_BYTES = 512 << 10
"""Read from the end of a segment: its index, in all but the oddest cases, with one request."""
SMALL_BYTES = 256 << 10
READS_BEFORE_WHOLE = 3
"""From this many tapes of one segment on, the segment is fetched whole and kept."""
PARALLEL = 8
HOST = "tool"
"""Stands in the keys of segments which no recorder wrote."""


class S3Cassette:
    """A bucket's prefix. Reads see what was shipped; what still waits on a recorder's machine is seen there."""

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        """With a `service` in the settings only its tapes are seen; without, those of all."""
        self.url = url
        self.skipped: dict[str, str] = {}
        """Segments the last look-up couldn't read, and why."""
        self._service = settings.service if settings else ""
        self._bucket = Bucket(url, settings.s3 if settings else S3())
        self._catalog = Catalog(f"{url}#{self._service}")
        self._cache = SegmentCache(cache_folder() / "segments" / digest(url))
        self._reads: Counter[str] = Counter()
        self._gone: frozenset[str] = frozenset()

    def summaries(self, query: Query | None = None) -> Iterator[Summary]:
        """The tapes that a query finds, newest first; of the bucket only the days asked for are listed and read."""
        query = query or Query()
        self._synchronise(query.since, query.until)
        try:
            return self._catalog.choose(query, without=self._gone)
        except CatalogLost:
            self._synchronise(query.since, query.until)
            return self._catalog.choose(query, without=self._gone)

    def load(self, tape_id: str) -> Tape:
        """One tape by its whole id."""
        for attempt in range(2):  # a segment may be rewritten between our looking and our reading
            name, offset, length = self._locate(tape_id, afresh=bool(attempt))
            try:
                return unpack(self._read(name, offset, length), tape_id)
            except (FileNotFoundError, TapeError) as error:
                self._cache.drop(name)
                if attempt:
                    if isinstance(error, TapeError):
                        raise
                    raise TapeNotFound(self.url, f"there is no tape {tape_id} any more") from error
        raise AssertionError("unreachable")

    def resolve(self, prefix: str) -> str:
        """The id of the one tape that begins with `prefix`."""
        span = keys.span_of(prefix)
        self._synchronise(*(span or (None, None)))
        return only(self.url, prefix, [id for id in self._catalog.beginning(prefix, 4 + len(self._gone)) if id not in self._gone])

    def add(self, tapes: Iterable[Tape]) -> int:
        """Keeps tapes which aren't here yet, in segments of their own, each on the day its tapes started: copies of old tapes
        are found where old tapes are looked for."""
        packer, seen = EntryWriter(), set[str]()
        days: defaultdict[int, list[Entry]] = defaultdict(list)
        sizes: Counter[int] = Counter()
        for tape in tapes:
            if tape.id in seen or self._known(tape.id):
                continue
            seen.add(tape.id)
            day = tape.started - tape.started % keys.DAY
            days[day].append(entry := pack(tape, packer))
            sizes[day] += len(entry.data)
            if sizes[day] >= SEAL_BYTES:
                del sizes[day]
                self._store(days.pop(day), keys.segment_key(self._service, HOST, ulid.new(day)))
        for day, entries in days.items():
            self._store(entries, keys.segment_key(self._service, HOST, ulid.new(day)))
        return len(seen)

    def delete(self, ids: Iterable[str]) -> int:
        """Erases tapes for good, with the local caches."""
        here = frozenset(id for id in ids if self._known(id))
        if here:
            tombstone = f"{keys.TOMBSTONES}{ulid.new()}{tombstones.SUFFIX}"
            self._bucket.put(tombstone, tombstones.dump(here))
        self.maintain()
        return len(here)

    def maintain(self) -> None:
        """Finishes erasures, those that somebody else began too."""
        for item in list(self._bucket.items(keys.TOMBSTONES)):
            ids = tombstones.parse(self._bucket.read(item.key))
            for id in ids:
                span = keys.span_of(id)
                self._synchronise(*(span or (None, None)))
            self._erase(ids)
            self._bucket.remove(item.key)

    def verify(self) -> Iterator[Problem]:
        """Reads every byte of every segment."""
        for service in self._services():
            for item in self._bucket.items(keys.service_prefix(service)):
                try:
                    yield from check_segment(item.key, self._bucket.read(item.key))
                except FileNotFoundError:
                    continue

    def losses(self) -> dict[str, int]:
        """How many tapes recorders dropped, by reason, as far as it was shipped."""
        counts: Counter[str] = Counter()
        for item in self._loss_items():
            counts.update(losses.read(self._bucket.read(item.key)))
        return dict(counts)

    def forget_losses(self, before: int) -> None:
        """Removes old counts."""
        for item in list(self._loss_items()):
            if losses.began(item.key) < before:
                self._bucket.remove(item.key)

    def _loss_items(self) -> Iterator[Item]:
        for service in self._services():
            yield from self._bucket.items(keys.losses_prefix(service))

    def emptiness(self) -> str:
        """Why nothing is found."""
        there = [keys.service_name(name) for name in self._bucket.folders(keys.ROOT)]
        if not there:
            return f"{self.url}: there is no tape here yet; recorders ship each minute, `autoplayback ship` what they left"
        if self._service and self._service not in there:
            return (f"{self.url}: there is no tape of the service {self._service!r}, only of {', '.join(map(repr, there))}; "
                    "set `service:`")
        return f"{self.url}: there is no tape in it"

    def close(self) -> None:
        """Closes connections and the catalog."""
        self._catalog.close()
        self._bucket.close()

    def _services(self) -> list[str]:
        return [self._service] if self._service else [keys.service_name(name) for name in self._bucket.folders(keys.ROOT)]

    def _synchronise(self, since: int | None, until: int | None) -> None:
        """Brings the catalog up to what the bucket lists for these days."""
        standing = [self._bucket.read(item.key) for item in self._bucket.items(keys.TOMBSTONES)]
        self._gone = frozenset().union(*map(tombstones.parse, standing))
        listed: dict[str, Item] = {}
        prefixes = [keys.service_prefix(service) + day for service in self._services()
                    for day in keys.day_prefixes(since, until, time_ns())]
        self.skipped = {}
        with ThreadPoolExecutor(PARALLEL) as pool:
            for items in pool.map(lambda prefix: list(self._bucket.items(prefix)), prefixes):
                listed.update((item.key, item) for item in items if item.key.endswith(".tapes"))
            try:
                known = self._catalog.segments()
            except CatalogLost:
                known = self._catalog.segments()
            new = [item for key, item in sorted(listed.items()) if known.get(key) != item.etag]
            gone = [key for key in known if key.startswith(tuple(prefixes)) and key not in listed]
            changed = [item.key for item in new if item.key in known]
            read = zip(new, pool.map(self._rows_of, new), strict=True)
            self._catalog.update(((item.key, item.etag, rows) for item, rows in read if rows is not None), gone + changed)
        for key in gone + changed:
            self._cache.drop(key)

    def _rows_of(self, item: Item) -> list[Located] | None:
        try:
            tail = self._bucket.read(item.key, max(0, item.size - TAIL_BYTES), min(item.size, TAIL_BYTES))
            place = segment.index_range(tail[-segment.FOOTER_BYTES:], item.size)
            if place is None:
                return segment.scan(self._bucket.read(item.key)).entries
            offset, length = place
            start = offset - (item.size - len(tail))
            frame = tail[start:start + length] if start >= 0 else self._bucket.read(item.key, offset, length)
            return segment.read_index(frame, offset)
        except FileNotFoundError:
            return None
        except TapeError as error:
            self.skipped[item.key] = str(error)
            return None

    def _known(self, tape_id: str) -> bool:
        try:
            self._locate(tape_id)
        except TapeNotFound:
            return False
        return True

    def _locate(self, tape_id: str, *, afresh: bool = False) -> tuple[str, int, int]:
        found = None if afresh else self._catalog.locate(tape_id)
        if found is None:
            self._synchronise(*(keys.span_of(tape_id) or (None, None)))
            found = self._catalog.locate(tape_id)
        if found is None or tape_id in self._gone:
            raise TapeNotFound(self.url, f"there is no tape {tape_id}; `autoplayback list` shows those there are")
        return found

    def _read(self, key: str, offset: int, length: int) -> bytes:
        stamp = self._catalog.stamp(key)
        cached = self._cache.read(key, stamp, offset, length)
        if cached is not None:
            return cached
        self._reads[key] += 1
        if self._reads[key] < READS_BEFORE_WHOLE:
            return self._bucket.read(key, offset, length)
        whole = self._bucket.read(key)
        self._cache.put(key, stamp, whole)
        return whole[offset:offset + length]

    def _store(self, entries: Sequence[Entry], key: str, info: Mapping[str, Any] | None = None) -> None:
        self._bucket.put(key, assembled(entries, info or {"service": self._service, "host": HOST}))

    def _erase(self, ids: Collection[str]) -> None:
        names = {place[0] for id in ids if (place := self._catalog.locate(id)) is not None}
        for name in sorted(names):
            try:
                data = self._bucket.read(name)
            except FileNotFoundError:
                continue
            found = segment.scan(data)
            kept = [data[at.offset:at.offset + at.length] for at in found.entries if at.summary.tape not in ids]
            if kept:
                entries = [Entry(segment.row_of(entry), entry) for entry in kept]
                self._store(entries, keys.beside(name, ulid.new()), inherited(found.info))
            self._bucket.remove(name)
            self._cache.drop(name)
        self._catalog.erase(ids)


def assembled(entries: Sequence[Entry], info: Mapping[str, Any]) -> bytes:
    """A whole sealed segment."""
    head = segment.header({**info, "created": time_ns()})
    offsets, at = [], len(head)
    for entry in entries:
        offsets.append(at)
        at += len(entry.data)
    rows, lengths = [entry.row for entry in entries], [len(entry.data) for entry in entries]
    return b"".join([head, *(entry.data for entry in entries), segment.trailer(rows, offsets, lengths, at)])
