"""From the texts of flags and suites to a query: which tapes are meant."""

from __future__ import annotations

from collections.abc import Iterable

from autoplayback.cassettes.query import Query
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
