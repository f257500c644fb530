"""Ids which a run makes anew: the same new id everywhere must stand for the same old one.

A pair of values at a place that `normalize` names is bound: from then on the two stand for each other, one to one. A long
enough text is followed everywhere, also inside other text (`/orders/7f3a…`); a number or a short text only where
`normalize` says that ids stand, as a quantity that goes from 1 to 2 must not pass for an id that did.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

from autoplayback.equalizer.sameness import fingerprint, same

_UUID = r"\b[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\b"
_TIME = r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?(?!\d)"
KINDS = {"uuids": re.compile(_UUID), "timestamps": re.compile(_TIME)}
_FOLLOWED = 8
"""Characters from which on a text is taken for an id wherever it stands."""
_MOST = 5_000
"""Ids that are looked for inside other text."""


class Renames:
    """The one-to-one map between recorded and replayed ids of one tape."""

    def __init__(self) -> None:
        self._new: dict[Hashable, Hashable] = {}
        self._old: dict[Hashable, Hashable] = {}
        self._texts: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def bind(self, recorded: Any, replayed: Any) -> bool:
        """Binds two ids; False where either is already bound to another, or they can't be ids of one kind."""
        if type(recorded) is not type(replayed) or not isinstance(recorded, (str, int, bytes)) or isinstance(recorded, bool):
            if same(recorded, replayed):
                return True
            if not (hasattr(recorded, "kind") and hasattr(replayed, "kind") and recorded.type == replayed.type):
                return False
        old, new = fingerprint(recorded), fingerprint(replayed)
        if self._new.setdefault(old, new) != new:
            return False
        if self._old.setdefault(new, old) != old:
            del self._new[old]
            return False
        for one, other in ((recorded, replayed), (getattr(recorded, "value", None), getattr(replayed, "value", None))):
            if isinstance(one, str) and isinstance(other, str) and one != other and len(other) >= _FOLLOWED:
                self._texts[other] = one
                self._pattern = None
        return True

    def bind_within(self, kind: str, recorded: str, replayed: str) -> bool:
        """Binds the ids of a kind inside two texts that are otherwise equal."""
        pattern = KINDS[kind]
        if pattern.sub("\0", recorded) != pattern.sub("\0", replayed):
            return False
        pairs = zip(pattern.findall(recorded), pattern.findall(replayed), strict=True)
        bound = [self.bind(one, other) for one, other in pairs]  # every pair, also after one that contradicts
        return all(bound)

    def follow(self, recorded: str, replayed: str) -> bool:
        """Whether a text is the recorded one with old ids in the place of new ones."""
        if not self._texts:
            return False
        if self._pattern is None:
            longest_first = sorted(self._texts, key=len, reverse=True)[:_MOST]
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        return self._pattern.sub(lambda found: self._texts[found[0]], replayed) == recorded

    def followed(self, replayed: Any) -> Any:
        """A dict key as it was recorded, where it is an id that was bound."""
        return self._texts.get(replayed, replayed) if isinstance(replayed, str) else replayed
