"""Our own faults: said once each, on stderr, and never raised into the service."""

from __future__ import annotations

import sys

_reported: set[str] = set()


def report(what: str, error: BaseException | str) -> None:
    """Says once what failed. Not through `logging`: a handler of the service's may itself be intercepted, or hold a lock."""
    text = f"autoplayback: {what}: {error if isinstance(error, str) else f'{type(error).__name__}: {error}'}"
    if text in _reported or len(_reported) > 1000:
        return
    _reported.add(text)
    try:
        print(text, file=sys.stderr, flush=True)
    except Exception:  # a closed or broken stderr
        pass
