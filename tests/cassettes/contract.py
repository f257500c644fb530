"""What every cassette must do. A store's test class says how to make one, and how to read and spoil its bytes behind its back."""

from __future__ import annotations

import pytest

from autoplayback.cassettes.protocol import Cassette
from autoplayback.cassettes.query import Query
from autoplayback.config.notations import condition
from autoplayback.errors import CassetteError, TapeError, TapeNotFound
from autoplayback.tape import segment, ulid
from tests.cassettes.making import tape

HOUR = 3_600_000_000_000
NOON = 1_790_000_000_000_000_000


class CassetteContract:
    """Inherited by the tests of each store. `raw` and `spoil` must not go through the store."""

    @pytest.fixture
    def cassette(self) -> Cassette:
        """An empty one."""
        raise NotImplementedError

    def again(self, cassette: Cassette) -> Cassette:
        """Another object on the same store, as another process would have it."""
        raise NotImplementedError

    def raw(self, cassette: Cassette) -> list[bytes]:
        """Everything that is stored, segment by segment."""
        raise NotImplementedError

    def spoil(self, cassette: Cassette, old: bytes, new: bytes) -> None:
        """Replaces bytes in what is stored."""
        raise NotImplementedError

    def test_what_is_added_comes_back_equal(self, cassette):
        """Another reader gets the same tapes, newest first, with rows that say what they are."""
        tapes = [tape(started=NOON + n * HOUR, seconds=n / 2, raised=n == 2, customer=f"c{n}", total=n * 10) for n in range(4)]
        assert cassette.add(tapes) == 4
        other = self.again(cassette)
        found = list(other.summaries())
        assert [summary.tape for summary in found] == [each.id for each in reversed(tapes)]
        assert [other.load(each.id) for each in tapes] == tapes
        assert found[1].outcome == "raised"
        assert found[1].metadata == {"customer": "c2", "total": 20}
        assert (found[0].seconds, found[0].calls, found[0].operation) == (1.5, 3, "place_order")
        assert other.losses() == {}

    def test_what_is_stored_is_our_format(self, cassette):
        """The raw bytes are segments, as FORMAT.md has them; each tape is in exactly one."""
        tapes = [tape(started=NOON + n) for n in range(3)]
        cassette.add(tapes)
        stored = [at.summary.tape for data in self.raw(cassette) for at in segment.scan(data).entries]
        assert sorted(stored) == sorted(each.id for each in tapes)

    def test_adding_twice_keeps_one(self, cassette):
        """A tape which is here isn't added again, also within one call."""
        tapes = [tape(started=NOON), tape(started=NOON + 1)]
        assert cassette.add([tapes[0], tapes[0]]) == 1
        assert self.again(cassette).add(tapes) == 1
        assert cassette.add(tapes) == 0
        assert len(list(cassette.summaries())) == 2

    def test_a_deleted_tape_is_gone_from_every_byte(self, cassette):
        """Rewritten without it: neither a listing nor an id nor the raw bytes have it; its neighbours are untouched."""
        tapes = [tape(started=NOON + n, customer=f"customer-{n}") for n in range(5)]
        cassette.add(tapes)
        reader = self.again(cassette)
        assert reader.load(tapes[2].id) == tapes[2]
        assert cassette.delete([tapes[2].id, "nobody"]) == 1
        assert all(tapes[2].id.encode() not in data and b"customer-2" not in data for data in self.raw(cassette))
        for each in (cassette, reader):
            assert {summary.tape for summary in each.summaries()} == {t.id for t in tapes} - {tapes[2].id}
            with pytest.raises(TapeNotFound):
                each.load(tapes[2].id)
        assert reader.load(tapes[3].id) == tapes[3]
        assert not list(cassette.verify())
        assert cassette.delete([each.id for each in tapes]) == 4
        assert list(self.again(cassette).summaries()) == []
        assert "tape" in cassette.emptiness()

    def test_a_prefix_means_one_tape_or_is_an_error(self, cassette):
        """Unique beginnings are enough; unknown and ambiguous ones say so, with what to do."""
        first, second = tape(id="01M84K" + "A" * 20, started=ulid.started("01M84K" + "A" * 20)), \
            tape(id="01M84K" + "A" * 19 + "B", started=ulid.started("01M84K" + "A" * 20))
        cassette.add([first, second])
        other = self.again(cassette)
        assert other.resolve(first.id) == first.id
        assert other.resolve(first.id[:-1] + "B") == second.id
        with pytest.raises(TapeNotFound, match="several"):
            other.resolve("01M84KAAA")
        with pytest.raises(TapeNotFound, match="no tape's id begins with '01M84KZ'"):
            other.resolve("01M84KZ")
        with pytest.raises(TapeNotFound, match="there is no tape"):
            other.load("01M84K" + "C" * 20)

    def test_filters_mean_the_same_in_every_store(self, cassette):
        """Operation, time, conditions, sample and limit."""
        tapes = [tape(1, operation="pay" if n % 3 else "refund.all", started=NOON + n * HOUR, seconds=n, raised=n % 4 == 0,
                      customer=f"c{n % 2}", vip=n == 5, total=n * 1.5) for n in range(12)]
        cassette.add(tapes)
        other = self.again(cassette)

        def numbers(*where, **filters):
            query = Query(where=tuple(map(condition, where)), **filters)
            return sorted(round((summary.started - NOON) / HOUR) for summary in other.summaries(query))

        assert numbers(operations=("pay",)) == [n for n in range(12) if n % 3]
        assert numbers(operations=("refund*",)) == [0, 3, 6, 9]
        assert numbers(since=NOON + 3 * HOUR, until=NOON + 6 * HOUR) == [3, 4, 5]
        assert numbers("customer=c1", "seconds>=7") == [7, 9, 11]
        assert numbers("customer=c1,c0", "duration<2s") == [0, 1]
        assert numbers("outcome=raised") == numbers("error=true") == [0, 4, 8]
        assert numbers("vip=true") == [5]
        assert numbers("vip=1") == []
        assert numbers("total=4.5") == [3]
        assert numbers("missing!=x", "customer~*1", limit=2) == [9, 11]
        assert numbers("missing=null", "total<=1.5") == [0, 1]
        assert numbers(ids=(tapes[4].id, tapes[7].id[:-2])) == [4, 7]
        assert len(numbers(sample=4, by="customer")) == 4
        assert numbers(sample=5, seed=3) == numbers(sample=5, seed=3)

    def test_a_damaged_tape_is_an_error_and_verify_names_it(self, cassette):
        """Spoilt bytes never come back as a tape; the others still do."""
        tapes = [tape(started=NOON + n) for n in range(3)]
        cassette.add(tapes)
        (data,) = self.raw(cassette)
        at = segment.scan(data).entries[1]
        entry = data[at.offset:at.offset + at.length]
        self.spoil(cassette, entry, entry[:-20] + bytes(20))
        other = self.again(cassette)
        with pytest.raises(TapeError, match="damaged"):
            other.load(at.summary.tape)
        problems = list(other.verify())
        assert problems
        assert any("damaged" in str(problem) for problem in problems)
        assert other.load(tapes[0].id) == tapes[0]

    def test_what_is_no_tape_is_told_from_one(self, cassette):
        """A store whose bytes aren't ours: named by verify, never half read."""
        cassette.add([tape(started=NOON)])
        (data,) = self.raw(cassette)
        self.spoil(cassette, data, b"PK\x03\x04" + data[4:])
        problems = [str(problem) for problem in self.again(cassette).verify()]
        assert len(problems) == 1
        assert "not a segment" in problems[0]

    def test_closing_is_not_the_end(self, cassette):
        """A closed cassette lets go of its files, and can be asked again."""
        cassette.add([tape(started=NOON)])
        cassette.close()
        assert len(list(cassette.summaries())) == 1
        cassette.close()
        with pytest.raises(CassetteError):
            cassette.load("nobody")
