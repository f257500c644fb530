"""Queries: the catalog's SQL and the query itself never disagree; samples are uniform and reproducible."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoplayback.cassettes.catalog import Catalog
from autoplayback.cassettes.query import Query, sample
from autoplayback.config.notations import Condition
from autoplayback.errors import ConfigError
from autoplayback.studio import selection
from autoplayback.tape.model import Summary
from autoplayback.tape.segment import Located

KEYS = st.sampled_from(["customer", "n", "seconds", "duration", "calls", "bytes", "outcome", "operation", "error",
                        "metadata.calls", "a.b", 'odd"key', "missing", "tape"])
SEVERAL = st.sampled_from(["operation,customer", "outcome, n"])
TEXTS = st.sampled_from(["a", "A", "5", "5.0", "05", "1", "true", "False", "null", "", "*", "a*", "raised", "returned",
                         "2s", "1e400", "nan", "pay", "0", "-0", "9007199254740993"])
VALUES = st.sampled_from([None, True, False, 0, 1, 5, 5.0, -0.0, 2**53 + 1, "a", "A", "5", "true", "", "null", "1"])
SUMMARIES = st.builds(
    Summary, tape=st.text("ABC", min_size=1, max_size=4), operation=st.sampled_from(["pay", "refund", "a"]),
    started=st.integers(0, 9), seconds=st.sampled_from([0.0, 1.0, 2.0, 5.0]), outcome=st.sampled_from(["raised", "returned"]),
    calls=st.integers(0, 6), bytes=st.integers(0, 6),
    metadata=st.dictionaries(st.sampled_from(["customer", "n", "calls", "a.b", 'odd"key']), VALUES, max_size=3))
CONDITIONS = st.builds(
    lambda key, operator, values: Condition(key, operator, tuple(values if operator in ("=", "!=", "~") else values[:1])),
    KEYS, st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "~"]), st.lists(TEXTS, min_size=1, max_size=3))
QUERIES = st.builds(
    Query, operations=st.lists(st.sampled_from(["pay", "ref*", "x"]), max_size=2).map(tuple),
    since=st.none() | st.integers(-1, 9), until=st.none() | st.integers(0, 1 << 70),
    where=st.lists(CONDITIONS, max_size=2).map(tuple), sample=st.none() | st.integers(1, 5), by=st.none() | KEYS | SEVERAL,
    seed=st.integers(0, 3), limit=st.none() | st.integers(1, 5),
    ids=st.lists(st.text("ABC", min_size=1, max_size=2), max_size=2).map(tuple))


@settings(max_examples=300, deadline=None)
@given(st.lists(SUMMARIES, max_size=12, unique_by=lambda summary: summary.tape), st.lists(QUERIES, min_size=1, max_size=4),
       st.data())
def test_a_catalog_finds_exactly_what_the_query_means(tmp_path_factory, summaries, queries, data):
    """Whatever part of the rows stands in SQLite, beside it, or is deleted: the answer is that of the query over all of them."""
    catalog = Catalog("test", tmp_path_factory.getbasetemp() / "catalog")
    beside = {summary.tape: summary for summary in summaries if data.draw(st.booleans())}
    without = {summary.tape for summary in summaries if data.draw(st.integers(0, 5)) == 0}
    rows = [Located(summary, 0, 1) for summary in summaries if summary.tape not in beside]
    catalog.update([("s", "1", rows), ("t", "1", [row for row in rows if data.draw(st.booleans())])], drop=["s"])
    for query in queries:
        expected = list(query.choose(summary for summary in summaries if summary.tape not in without))
        assert list(catalog.choose(query, beside, without)) == expected
    catalog.close()


def test_a_sample_is_uniform_over_the_values_of_its_key():
    """A customer with ten thousand tapes gets no more of the sample than one with twenty."""
    rows = [("big", f"b{n}", "big") for n in range(10_000)] + [(f"c{n % 9}", f"t{n}", f"c{n % 9}") for n in range(180)]
    random.Random(4).shuffle(rows)
    assert Counter(sample(rows, 100, 7)) == dict.fromkeys(["big", *(f"c{n}" for n in range(9))], 10)


def test_a_sample_is_uniform_over_several_keys_together():
    """Each operation of each customer has its part, however rare it is."""
    common = [Summary(f"A{n}", "pay", n, 0.0, "returned", 0, 0, {"customer": f"c{n % 2}"}) for n in range(200)]
    rare = [Summary(f"B{n}", "refund", n, 0.0, "returned", 0, 0, {"customer": f"c{n % 2}"}) for n in range(6)]
    drawn = Query(sample=12, by="operation,customer").choose([*common, *rare])
    assert Counter((summary.operation, summary.metadata["customer"]) for summary in drawn) == {
        ("pay", "c0"): 3, ("pay", "c1"): 3, ("refund", "c0"): 3, ("refund", "c1"): 3}


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another():
    """In any order of rows, and with tapes added it changes by no more than the added ones."""
    rows = [(n % 7, f"t{n}", f"t{n}") for n in range(500)]
    first = sample(rows, 50, 1)
    assert sorted(sample(rows[::-1], 50, 1)) == sorted(first)
    assert len(set(sample(rows, 50, 2)) & set(first)) < 25
    more = sample([*rows, (3, "new", "new")], 50, 1)
    assert len(set(first) - set(more)) <= 1


def test_flags_become_a_query():
    """Times count back from now, ids may be written small, and what was left out means all."""
    now = 10**18
    query = selection.query(operations=["pay"], since="2h", until="30m", where=["customer=a,b", "seconds>2"], sample=5,
                            by="customer", seed=3, limit=7, ids=["01m84"], now=now)
    assert query.since == now - 7200 * 10**9
    assert query.until == now - 1800 * 10**9
    assert query.where[0] == Condition("customer", "=", ("a", "b"))
    assert query.ids == ("01M84",)
    assert selection.query() == Query()


@pytest.mark.parametrize(("flags", "text"), [
    ({"since": "yesterday"}, "--since: 'yesterday' is no moment"),
    ({"where": ["=5"]}, "--where: '=5' is no condition"),
    ({"since": "1h", "until": "2h"}, "no tape can be in between"),
    ({"by": "customer"}, "--sample is missing"),
    ({"sample": 0}, "at least one"),
])
def test_wrong_flags_are_named(flags, text):
    """All of them at once, each with what to write."""
    with pytest.raises(ConfigError, match="--limit -1") as caught:
        selection.query(limit=-1, **flags)
    assert text in str(caught.value)
