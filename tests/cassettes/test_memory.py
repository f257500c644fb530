"""The memory cassette."""

import pytest

from autoplayback.cassettes import open_cassette
from autoplayback.cassettes.memory import MemoryCassette
from autoplayback.errors import CassetteError
from autoplayback.tape import segment
from tests.cassettes.contract import CassetteContract


class TestMemory(CassetteContract):
    """A store without bytes of its own: its entries stand in for a segment."""

    @pytest.fixture
    def cassette(self):
        """An empty one."""
        return open_cassette("memory:")

    def again(self, cassette):
        """There is only the one."""
        return cassette

    def raw(self, cassette):
        """Entries, put together as a segment would be."""
        return [segment.header({}) + b"".join(data for _, data in cassette.entries.values())]

    def spoil(self, cassette, old, new):
        """Replaces bytes in the entry that has them."""
        for id, (summary, data) in cassette.entries.items():
            whole = data.replace(old, new) if old in data else new if data in old else data
            cassette.entries[id] = (summary, whole)

    def test_what_is_no_tape_is_told_from_one(self, cassette):
        """There is no header to spoil here; an entry that is none is named."""
        super().test_adding_twice_keeps_one(cassette)
        id = next(iter(cassette.entries))
        cassette.entries[id] = (cassette.entries[id][0], b"PK\x03\x04")
        assert [problem.tape for problem in cassette.verify()] == [id]


def test_urls_lead_to_their_stores(tmp_path):
    """A path, file:// and memory: are understood; anything else is an error that names what would be."""
    assert isinstance(open_cassette("memory:"), MemoryCassette)
    assert open_cassette(str(tmp_path)).url == str(tmp_path)
    assert open_cassette(f"file://{tmp_path}").url == str(tmp_path)
    for url in ("gs://bucket", "http://x/y", "", "s3://"):
        with pytest.raises(CassetteError):
            open_cassette(url)
