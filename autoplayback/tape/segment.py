"""The bytes of a segment: many tapes in one file, which is at the same time a plain .zst stream.

    header    50 2A 4D 18 | u32 n | "APB1" | map: version, service, host, pid, created, ...
    entry     51 2A 4D 18 | u32 n | row | u32 CRC-32 of the row and of the frame behind it
              28 B5 2F FD ...       one zstd frame, the tape; with content size and XXH64
    ...       more entries
    index     52 2A 4D 18 | u32 n | one zstd frame: the rows again, in columns, with offsets and lengths
    footer    53 2A 4D 18 | 10 00 00 00 | u64 offset of the index | u32 its length | "APBE"

Everything but the tapes stands in skippable frames, so `zstd -dc` prints the tapes. Integers are little-endian, rows and
maps MessagePack. A file that ends early is read by scanning: the CRC tells a whole entry from a torn one.
FORMAT.md is the specification. Nothing here does I/O.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import ormsgpack
import zstandard

from autoplayback.errors import NewerFormat, TapeError
from autoplayback.tape.model import Scalar, Summary

VERSION = 1
LEVEL = 1
"""Of zstd. Higher ones cost up to twice the time and make tapes no smaller: their values are encoded tightly already."""
MAX_PAYLOAD = 1 << 30
"""Bytes of one uncompressed tape that a reader is willing to hold: a frame which declares more is refused unread."""
MAX_INDEX = 256 << 20
FOOTER_BYTES = 24
_TOGETHER = 6
"""Tapes from which on they are compressed in one go, for which zstandard makes a compressor of its own."""

_HEADER, _ENTRY, _INDEX, _FOOTER = (0x184D2A50 + n for n in range(4))
_ENTRY_MAGIC = struct.pack("<I", _ENTRY)
_MAGIC, _END = b"APB1", b"APBE"
_frame = struct.Struct("<II")
_crc = struct.Struct("<I")
_footer = struct.Struct("<IIQI4s")


class Entry(NamedTuple):
    """One tape as it is written: `row` again goes into the index, `data` is what the file gets."""

    row: bytes
    data: bytes


Facts = tuple[str, str, int, float, str, int, Mapping[str, Scalar]]
"""The fields of a tape's Summary but for its size: id, operation, started, seconds, outcome, calls, metadata."""


class Located(NamedTuple):
    """Where in its segment a tape's entry stands."""

    summary: Summary
    offset: int
    length: int


@dataclass(slots=True)
class Scan:
    """What reading a segment from front to back found, without its index."""

    info: Mapping[str, Any]
    entries: list[Located] = field(default_factory=list)
    good: int = 0
    """The offset behind the last whole entry: what follows is an index, a torn entry or an entry being written."""
    damage: list[tuple[int, int]] = field(default_factory=list)
    """(offset, length) of places between whole entries which are none themselves."""
    sealed: bool = False


class EntryWriter:
    """Makes entries. Holds a compressor, which isn't safe to share between threads: one writer a thread."""

    def __init__(self) -> None:
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True)
        self._compress = compressor.compress
        self._stream = compressor.compressobj
        self._compress_all = getattr(compressor, "multi_compress_to_buffer", None)  # zstandard's backend in C has it

    def entry(self, id: str, operation: str, started: int, seconds: float, outcome: str, calls: int,
              metadata: Mapping[str, Scalar], payload: bytes) -> Entry:
        """The entry of one tape, from the fields of its Summary and its payload."""
        return _entry((id, operation, started, seconds, outcome, calls, metadata), self._compress(payload))

    def entries(self, tapes: Sequence[tuple[Facts, list[bytes]]]) -> list[Entry]:
        """The entries of many tapes at once, whose payloads come in pieces.

        A compressor lets go of the interpreter while it works, and taking that back from a busy service costs more than a small
        tape's compression: here it is done once, not for each tape.
        """
        if len(tapes) < _TOGETHER or self._compress_all is None or max(len(pieces) for _, pieces in tapes) > 1:
            return [_entry(facts, self._compressed(pieces)) for facts, pieces in tapes]
        frames = self._compress_all([pieces[0] for _, pieces in tapes])
        return [_entry(facts, frame.tobytes()) for (facts, _), frame in zip(tapes, frames, strict=True)]

    def _compressed(self, pieces: list[bytes]) -> bytes:
        if len(pieces) == 1:
            return self._compress(pieces[0])
        stream = self._stream(size=sum(map(len, pieces)))
        return b"".join([*map(stream.compress, pieces), stream.flush()])

    def of(self, summary: Summary, payload: bytes) -> Entry:
        """The entry of a tape that is there as a Summary."""
        return self.entry(summary.tape, summary.operation, summary.started, summary.seconds, summary.outcome, summary.calls,
                          summary.metadata, payload)


def _entry(facts: Facts, frame: bytes) -> Entry:
    *summary, metadata = facts
    row = _pack_row([*summary, len(frame), metadata])
    head = _frame.pack(_ENTRY, len(row) + 4)
    return Entry(row, b"".join((head, row, _crc.pack(zlib.crc32(frame, zlib.crc32(row))), frame)))


def header(info: Mapping[str, Any]) -> bytes:
    """The first frame; `info` says who wrote the segment."""
    body = _MAGIC + ormsgpack.packb({"version": VERSION, **info})
    return _frame.pack(_HEADER, len(body)) + body


def trailer(rows: Sequence[bytes], offsets: Sequence[int], lengths: Sequence[int], at: int) -> bytes:
    """Index and footer of a segment whose entries end at offset `at`."""
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for row in rows:
        for column, value in zip(columns.values(), ormsgpack.unpackb(row), strict=True):
            column.append(value)
    names = list(dict.fromkeys(columns["operation"]))
    numbers = {name: number for number, name in enumerate(names)}
    columns["operation"] = [numbers[name] for name in columns["operation"]]
    packed = ormsgpack.packb({**columns, "operations": names, "offset": list(offsets), "length": list(lengths)})
    body = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(packed)
    frame = _frame.pack(_INDEX, len(body)) + body
    return frame + _footer.pack(_FOOTER, 16, at, len(frame), _END)


def index_range(footer: bytes, size: int) -> tuple[int, int] | None:
    """(offset, length) of the index of a segment of `size` bytes, from its last 24; None where it has no whole footer."""
    if len(footer) != FOOTER_BYTES:
        return None
    magic, length, offset, index_length, end = _footer.unpack(footer)
    whole = magic == _FOOTER and length == 16 and end == _END and offset + index_length + FOOTER_BYTES == size
    return (offset, index_length) if whole else None


def read_index(frame: bytes, end: int) -> list[Located]:
    """The rows of an index frame; `end` is the offset where the entries end. TapeError where it is damaged."""
    if len(frame) < 8 or _frame.unpack_from(frame) != (_INDEX, len(frame) - 8):
        raise TapeError("its index is cut or damaged")
    columns = _unpack(_decompress(frame[8:], MAX_INDEX), "index")
    try:
        names = columns["operations"]
        columns["operation"] = [names[number] for number in columns["operation"]]
        rows: list[Any] = list(zip(*(columns[name] for name in _COLUMNS), columns["offset"], columns["length"], strict=True))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise TapeError("its index lacks columns, or they are of different lengths") from error
    for *_, offset, length in rows:
        if not (isinstance(offset, int) and isinstance(length, int) and 0 <= offset <= offset + length <= end):
            raise TapeError("its index points outside of it")
    return [Located(_summary(row[:8]), row[8], row[9]) for row in rows]


def read_header(data: bytes | memoryview) -> tuple[Mapping[str, Any], int]:
    """(info, length) of the header frame; raises where this is no segment, or one of a later version."""
    if len(data) < 12 or bytes(data[8:12]) != _MAGIC:
        raise TapeError("not a segment of tapes: it doesn't begin with a header")
    magic, length = _frame.unpack_from(data)
    if magic != _HEADER or 8 + length > len(data):
        raise TapeError("not a segment of tapes: its header is cut")
    info = _unpack(bytes(data[12:8 + length]), "header")
    version = info.get("version")
    if not isinstance(version, int):
        raise TapeError("its header has no version")
    if version > VERSION:
        raise NewerFormat(f"written in segment format {version}, while this autoplayback reads up to {VERSION}: please update it")
    return info, 8 + length


def scan(data: bytes | memoryview) -> Scan:
    """Reads all of a segment, sealed or not. Finds every whole entry, whatever is torn between or behind them."""
    view = memoryview(data)
    info, at = read_header(view)
    found = Scan(info, good=at)
    while at < len(view):
        entry = _entry_at(view, at)
        if entry is None:
            if _frame_at(view, at) == _INDEX:
                found.sealed = index_range(bytes(view[-FOOTER_BYTES:]), len(view)) is not None
                break
            after = _next_entry(view, at + 1)
            if after is None:
                break
            found.damage.append((at, after - at))
            at = after
            continue
        found.entries.append(entry)
        at = found.good = entry.offset + entry.length
    return found


def payload(data: bytes, tape_id: str) -> bytes:
    """The tape inside an entry's bytes, checked: the length, the CRC, that it is this tape, and (zstd's) XXH64."""
    found = located(data, tape_id)
    if found.summary.tape != tape_id:
        raise TapeError(f"the segment holds {found.summary.tape} in its place", tape_id)
    return _decompress(data[len(data) - found.summary.bytes:], MAX_PAYLOAD, tape_id)


def located(data: bytes, where: str = "") -> Located:
    """The row of one entry's bytes, its length and CRC checked."""
    found = _entry_at(memoryview(data), 0)
    if found is None or found.length != len(data):
        raise TapeError("its entry in the segment is cut or damaged", where)
    return found


def row_of(data: bytes) -> bytes:
    """The row of a whole entry, to be indexed again in another segment."""
    (length,) = _crc.unpack_from(data, 4)
    return data[8:4 + length]


_OUTCOMES = ("returned", "raised")
_SCALARS = frozenset({type(None), bool, int, float, str})
_INT64 = 1 << 63
_COLUMNS = ("id", "operation", "started", "seconds", "outcome", "calls", "bytes", "metadata")


def _entry_at(view: memoryview, at: int) -> Located | None:
    if at + 12 > len(view):
        return None
    magic, length = _frame.unpack_from(view, at)
    start = at + 8 + length
    if magic != _ENTRY or length < 5 or start > len(view):
        return None
    row = view[at + 8:start - 4]
    try:
        summary = _summary(ormsgpack.unpackb(row))
    except (ValueError, TypeError, TapeError):
        return None
    end = start + summary.bytes
    if end > len(view) or _crc.unpack_from(view, start - 4)[0] != zlib.crc32(view[start:end], zlib.crc32(row)):
        return None
    return Located(summary, at, end - at)


def _next_entry(view: memoryview, at: int) -> int | None:
    """The offset of the next whole entry behind a damaged place."""
    for candidate in _occurrences(bytes(view[at:]), _ENTRY_MAGIC):
        if _entry_at(view, at + candidate) is not None:
            return at + candidate
    return None


def _occurrences(data: bytes, what: bytes) -> Iterator[int]:
    at = data.find(what)
    while at >= 0:
        yield at
        at = data.find(what, at + 1)


def _frame_at(view: memoryview, at: int) -> int | None:
    return _crc.unpack_from(view, at)[0] if at + 4 <= len(view) else None


def _summary(row: Sequence[Any]) -> Summary:
    id, operation, started, seconds, outcome, calls, size, metadata = row
    if not (type(id) is type(operation) is str and type(started) is type(calls) is type(size) is int and outcome in _OUTCOMES
            and -_INT64 <= started < _INT64 and 0 <= calls < _INT64 and 0 <= size < _INT64
            and isinstance(seconds, (int, float)) and math.isfinite(seconds) and type(metadata) is dict):
        raise TapeError("a row is malformed")
    for value in metadata.values():
        if type(value) not in _SCALARS:
            raise TapeError("a row's metadata is malformed")
    return Summary(id, operation, started, seconds, outcome, calls, size, metadata)


def _pack_row(row: list[Any]) -> bytes:
    metadata = row[7]
    for value in metadata.values():
        if type(value) is float and not math.isfinite(value):
            row[7] = {key: _plain(value) for key, value in metadata.items()}
            break
    try:
        return ormsgpack.packb(row)
    except ormsgpack.MsgpackEncodeError:  # integers over 64 bits, lone surrogates, subclasses: metadata only has to be findable
        return ormsgpack.packb([_plain(value) for value in row[:7]] + [{_plain(k): _plain(v) for k, v in row[7].items()}])


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return str.encode(value, "utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    return str(value)


def _unpack(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = ormsgpack.unpackb(data)
    except ValueError as error:
        raise TapeError(f"its {what} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise TapeError(f"its {what} is damaged: not a map")
    return value


def _decompress(frame: bytes, limit: int, where: str = "") -> bytes:
    size = 0
    try:
        size = zstandard.get_frame_parameters(frame).content_size
        if size > limit:  # unknown sizes are huge numbers here
            raise TapeError(f"declares {size} bytes, more than the {limit} a reader holds", where)
        return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise TapeError(f"damaged: {error}", where) from error
    except MemoryError as error:
        raise TapeError(f"declares {size} bytes, more than there is memory", where) from error
