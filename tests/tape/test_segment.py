"""Segments: bytes that can be cut, torn and forged, and still give each whole tape or a clear error."""

import io
import shutil
import struct
import subprocess
import zlib

import ormsgpack
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoplayback.errors import NewerFormat, TapeError
from autoplayback.tape import segment
from autoplayback.tape.model import Summary

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20)


def summary(number=0, **metadata):
    outcome = "raised" if number % 2 else "returned"
    return Summary(f"01M84K{number:020d}", f"op{number % 3}", 10**18 + number, 0.5 * number, outcome, number, 0, metadata)


def build(payloads, *, seal=True):
    writer = segment.EntryWriter()
    entries = [writer.of(summary(n, customer=f"c{n}"), payload) for n, payload in enumerate(payloads)]
    data = segment.header({"service": "orders"})
    offsets = []
    for entry in entries:
        offsets.append(len(data))
        data += entry.data
    end = len(data)
    if seal:
        data += segment.trailer([e.row for e in entries], offsets, [len(e.data) for e in entries], end)
    return data, entries, offsets


PAYLOADS = [b"first" * 50, b"", bytes(range(256)) * 20, b"last"]


def test_the_index_gives_back_what_was_written():
    """Footer, index and entries agree, and each entry opens to its payload."""
    data, _, offsets = build(PAYLOADS)
    offset, length = segment.index_range(data[-24:], len(data))
    rows = segment.read_index(data[offset:offset + length], offset)
    assert [at.offset for at in rows] == offsets
    assert rows == segment.scan(data).entries
    assert [segment.payload(data[at.offset:at.offset + at.length], at.summary.tape) for at in rows] == PAYLOADS
    assert rows[1].summary.metadata == {"customer": "c1"}
    assert rows[1].summary.outcome == "raised"
    assert segment.read_header(data)[0]["service"] == "orders"


def test_a_segment_is_a_plain_zst_stream(tmp_path):
    """`zstd -dc` and any other reader of .zst print the tapes one after the other."""
    data, _, _ = build(PAYLOADS)
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
        assert reader.read() == b"".join(PAYLOADS)
    if shutil.which("zstd"):
        path = tmp_path / "s.tapes"
        path.write_bytes(data)
        assert subprocess.run(["zstd", "-dcq", path, "--format=zstd"], stdin=subprocess.DEVNULL, capture_output=True, check=True,
                              timeout=30).stdout == b"".join(PAYLOADS)


@pytest.mark.parametrize("seal", [True, False])
def test_cut_anywhere_a_scan_finds_every_whole_tape(seal):
    """Whatever the length of what is left, exactly the entries which are whole in it are found."""
    data, entries, offsets = build(PAYLOADS, seal=seal)
    head = segment.read_header(data)[1]
    for cut in range(len(data)):
        if cut < head:
            with pytest.raises(TapeError, match="not a segment"):
                segment.scan(data[:cut])
            continue
        found = segment.scan(data[:cut])
        whole = [offset for offset, entry in zip(offsets, entries, strict=True) if offset + len(entry.data) <= cut]
        assert [at.offset for at in found.entries] == whole
        assert not found.damage
        assert not found.sealed


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_anywhere_no_tape_is_ever_another(data):
    """A flipped, inserted or overwritten byte costs the tape it hits; no tape is invented, none is altered."""
    original, _, _ = build(PAYLOADS)
    written = {at.summary.tape: payload for at, payload in zip(segment.scan(original).entries, PAYLOADS, strict=True)}
    torn = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(torn) - 1))
        action = data.draw(st.sampled_from(["flip", "insert", "delete"]))
        if action == "flip":
            torn[at] ^= data.draw(st.integers(1, 255))
        elif action == "insert":
            torn[at:at] = data.draw(st.binary(min_size=1, max_size=20))
        else:
            del torn[at:at + data.draw(st.integers(1, 20))]
    try:
        found = segment.scan(bytes(torn))
    except TapeError:
        return
    for at in found.entries:
        assert segment.payload(bytes(torn[at.offset:at.offset + at.length]), at.summary.tape) == written[at.summary.tape]


def test_a_torn_entry_followed_by_whole_ones_costs_only_itself():
    """The scan finds its way back to the next whole entry and names the damaged place."""
    data, entries, offsets = build(PAYLOADS, seal=False)
    torn = data[:offsets[2] + 30] + entries[3].data
    found = segment.scan(torn)
    assert [at.summary.tape for at in found.entries] == [summary(n).tape for n in (0, 1, 3)]
    assert found.damage == [(offsets[2], 30)]


@given(st.dictionaries(st.text(st.characters(), max_size=10), SCALARS, max_size=5))
def test_any_metadata_can_be_in_a_row(metadata):
    """Huge numbers, NaN and lone surrogates become text: a row has to be findable, the exact value is on the tape."""
    entry = segment.EntryWriter().of(summary(1), b"x")._replace()
    row = segment.EntryWriter().entry("T", "op", 1, 0.1, "returned", 0, metadata, b"x")
    found = segment.located(row.data).summary.metadata
    assert len(entry.data) > 0
    for key, value in metadata.items():
        if isinstance(value, (bool, type(None))) or (isinstance(value, int) and abs(value) < 1 << 62):
            assert found[key.encode("utf-8", "backslashreplace").decode()] == value


def test_a_wrong_length_a_wrong_tape_and_a_wrong_checksum_are_errors():
    """An entry is believed only where its length, its CRC, its id and zstd's own checksum agree."""
    _, entries, _ = build(PAYLOADS)
    tape, whole = summary(2).tape, entries[2].data
    assert segment.payload(whole, tape) == PAYLOADS[2]
    for wrong in (whole[:-1], whole + b"x", whole[:-5] + b"x" + whole[-4:], b""):
        with pytest.raises(TapeError, match="cut or damaged"):
            segment.payload(wrong, tape)
    with pytest.raises(TapeError, match="in its place"):
        segment.payload(whole, summary(1).tape)
    frame = bytearray(whole[-(len(whole) - 12 - len(entries[2].row)):])
    frame[-1] ^= 1  # zstd's checksum; the CRC around it made to fit
    row = entries[2].row
    forged = whole[:8] + row + struct.pack("<I", zlib.crc32(frame, zlib.crc32(row))) + frame
    with pytest.raises(TapeError, match="damaged"):
        segment.payload(forged, tape)


def test_a_bomb_is_refused_unread():
    """A frame that declares more than a reader holds isn't opened; nor is one that doesn't say."""
    bomb = struct.pack("<I", 0xFD2FB528) + bytes([0b11100000]) + struct.pack("<Q", 1 << 40)
    row = ormsgpack.packb(["T", "op", 1, 0.1, "returned", 0, len(bomb), {}])
    entry = struct.pack("<II", 0x184D2A51, len(row) + 4) + row + struct.pack("<I", zlib.crc32(bomb, zlib.crc32(row))) + bomb
    with pytest.raises(TapeError, match="declares"):
        segment.payload(entry, "T")
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 100)
    row = ormsgpack.packb(["T", "op", 1, 0.1, "returned", 0, len(silent), {}])
    entry = struct.pack("<II", 0x184D2A51, len(row) + 4) + row + struct.pack("<I", zlib.crc32(silent, zlib.crc32(row))) + silent
    with pytest.raises(TapeError, match="declares"):
        segment.payload(entry, "T")


def test_a_later_format_asks_for_an_update():
    """What a newer autoplayback wrote isn't guessed at."""
    body = b"APB1" + ormsgpack.packb({"version": 2})
    with pytest.raises(NewerFormat, match="please update"):
        segment.scan(struct.pack("<II", 0x184D2A50, len(body)) + body)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300), st.integers(0, 1 << 40))
def test_hostile_indexes_give_our_error(noise, end):
    """Whatever bytes stand where an index should: rows inside the file, or a TapeError."""
    for body in (noise, zstandard.ZstdCompressor().compress(noise), zstandard.ZstdCompressor().compress(ormsgpack.packb({
            "id": ["a"], "operation": [9], "operations": [], "started": [0]}))):
        frame = struct.pack("<II", 0x184D2A52, len(body)) + body
        try:
            segment.read_index(frame, end)
        except TapeError:
            continue
    with pytest.raises(TapeError):
        segment.read_index(noise, end)
