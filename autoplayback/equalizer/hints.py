"""What probably lies behind a failure, where the tapes say so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from autoplayback.equalizer.sides import Side
from autoplayback.tape.model import Tape
from autoplayback.tape.values import Inert, Tagged, named

TOKEN = re.compile(r"redacted-[0-9a-f]{12}")
"""What stands in place of a secret on a tape."""
REFUSED = (401, 403, 302, 303)
"""What a service answers to whom it doesn't know, or no longer: the redirects lead to its login."""
SHOWN = 3
DEPTH = 20


def redaction(recorded: Tape, replayed: Tape, old: Side, new: Side) -> str | None:
    """Says that the code under test may have refused a token which stands for a credential: None where nothing speaks for it."""
    refused = new.status in REFUSED and old.status not in REFUSED
    raised = new.failed and not old.failed
    if not (refused or raised):
        return None
    places = list(_redacted(recorded))
    if not places:
        return None
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    site = replayed.playback.raised.rpartition(" in ")[2].partition(" (")[0] if replayed.playback and raised else ""
    function = site.replace(".<locals>", "") if site and "<" not in site else "FUNCTION"
    return (
        f"{', '.join(places[:SHOWN])}{more} of the request is redacted on the tape, and code that verifies it itself refuses the"
        f" token in its place: if that is the cause, declare the function that takes it to be verified, and the tape answers:"
        f" `inputs: [{{target: MODULE:{function}}}]`"
    )


def _redacted(tape: Tape) -> Iterator[str]:
    """The places in the entry arguments where a token stands for a secret."""
    for name, value in named(tape.arguments, tape.target.parameters).items():
        yield from _tokens(value, name, DEPTH)


def _tokens(value: Inert, place: str, depth: int) -> Iterator[str]:
    if isinstance(value, Tagged):
        value = value.value
    if isinstance(value, str | bytes):
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if TOKEN.search(text):
            yield place
    elif depth and isinstance(value, dict):
        for key, below in value.items():
            yield from _tokens(below, f"{place}.{key}", depth - 1)
    elif depth and isinstance(value, list):
        for index, below in enumerate(value):
            yield from _tokens(below, f"{place}[{index}]", depth - 1)
