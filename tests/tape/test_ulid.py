"""Ids of tapes: unique, and in order of time as text."""

from __future__ import annotations

from autoplayback.tape import ulid


def test_ids_sort_by_their_instant() -> None:
    """The instant can be read back, to a millisecond."""
    instants = [0, 1_000_000, 1_790_000_000_123_456_789, (1 << 48) * 1_000_000 - 1]
    ids = [ulid.new(instant) for instant in instants]
    assert ids == sorted(ids)
    assert [ulid.started(each) for each in ids] == [instant // 1_000_000 * 1_000_000 for instant in instants]
    assert ulid.new(1_469_918_176_385_000_000)[:10] == "01ARYZ6S41"


def test_ids_of_one_instant_differ() -> None:
    """Eighty random bits."""
    assert len({ulid.new(5) for _ in range(1000)}) == 1000
    assert all(len(each) == 26 and set(each) <= set(ulid.ALPHABET) for each in (ulid.new(), ulid.new()))
