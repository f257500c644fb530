"""From the texts of flags and suites to a query: which tapes are meant."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import islice

from autoplayback.cassettes.protocol import Cassette
from autoplayback.cassettes.query import FIELDS, OUTCOMES, Query, keys_of
from autoplayback.config.nearest import nearest, suggestion
from autoplayback.config.notations import Condition, NotationError, condition, moment
from autoplayback.errors import ConfigError
from autoplayback.originals import time_ns


def query(
    *, operations: Iterable[str] = (), since: str | None = None, until: str | None = None, where: Iterable[str] = (),
    sample: int | None = None, by: str | None = None, seed: int = 0, limit: int | None = None, ids: Iterable[str] = (),
    now: int | None = None,
) -> Query:
    """The query that filters mean. Raises one ConfigError that names every filter which is wrong."""
    now = time_ns() if now is None else now
    problems: list[str] = []

    def instant(flag: str, text: str | None) -> int | None:
        try:
            return None if text is None else moment(text, now)
        except (NotationError, OverflowError) as error:
            problems.append(f"{flag}: {error}")
            return None

    def conditions() -> Iterable[Condition]:
        for text in where:
            try:
                yield condition(text)
            except NotationError as error:
                problems.append(f"--where: {error}")

    first, last, wanted = instant("--since", since), instant("--until", until), tuple(conditions())
    if first is not None and last is not None and first >= last:
        problems.append(f"--since {since} isn't before --until {until}: no tape can be in between")
    if by is not None and sample is None:
        problems.append("--by says what a sample is uniform over; --sample is missing")
    for flag, number in (("--sample", sample), ("--limit", limit)):
        if number is not None and number < 1:
            problems.append(f"{flag} {number}: at least one")
    if problems:
        raise ConfigError(*((None, problem) for problem in problems))
    return Query(operations=tuple(operations), since=first, until=last, where=wanted, sample=sample, by=by, seed=seed,
                 limit=limit, ids=tuple(id.upper() for id in ids))


_LOOKED_AT = 10_000
"""The newest tapes that names are suggested from."""


def nothing(cassette: Cassette, query: Query) -> str:
    """Why a query found nothing: the name that no tape has, with the nearest that one has; else what there is."""
    there = list(islice(cassette.summaries(None), _LOOKED_AT))
    if not there:
        return f"no tape matched; {cassette.emptiness()}"
    operations = sorted({summary.operation for summary in there})
    for name in query.operations:
        if not any(fnmatchcase(operation, name) for operation in operations):
            return f"no tape matched: none is of operation {name!r}{suggestion(name, operations, what='there are tapes of')}"
    for told in unknown_keys(cassette, query):
        return f"no tape matched: {told}"
    return f"no tape matched; there are tapes of {', '.join(operations[:5])}{', ...' if len(operations) > 5 else ''}"


def unknown_keys(cassette: Cassette, query: Query) -> list[str]:
    """A sentence for each key of the query's conditions and of its sample that isn't in the metadata of any tape."""
    asked = [condition.key for condition in query.where] + keys_of(query.by)
    keys = [key for key in dict.fromkeys(asked) if key not in FIELDS and key not in OUTCOMES]
    there: set[str] = set()
    found = []
    for key in keys:
        present = Condition(key, "!=", ("null",))
        if any(True for _ in cassette.summaries(Query(where=(present,), limit=1))):
            continue
        there = there or {name for summary in islice(cassette.summaries(None), _LOOKED_AT) for name in summary.metadata}
        if not there:
            found.append(f"no tape has metadata {key!r}; what tapes have, `metadata:` of their operation says")
            continue
        near = nearest(key.removeprefix("metadata."), [*there, *FIELDS, *OUTCOMES])
        told = f"; did you mean {near!r}?" if near else suggestion(key, there, what="there are")
        found.append(f"no tape has metadata {key!r}{told}")
    return found
