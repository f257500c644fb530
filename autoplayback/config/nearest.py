"""The nearest valid name to one that isn't valid, for errors that teach."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The valid name most like `name`, where one is like enough to be what was meant."""
    from difflib import get_close_matches

    known = {each.lower(): each for each in names}
    found = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return known[found[0]] if found else None


def suggestion(name: str, names: Iterable[str], *, what: str = "valid are") -> str:
    """`; did you mean 'x'?`, else the valid names where they are few enough to read, else nothing."""
    names = sorted(names)
    near = nearest(name, names)
    if near is not None:
        return f"; did you mean {near!r}?"
    if names and len(names) <= 40:
        return f"; {what} {', '.join(names)}"
    return ""
