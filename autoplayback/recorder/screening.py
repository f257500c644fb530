"""The first look at a finished tape: can it hold a secret at all? Nearly always it can't, which is to be said in microseconds.

What passes is written as it is, so a doubt counts as a yes: then the tape is taken apart and looked at properly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import ormsgpack

from autoplayback.recorder.documents import whole
from autoplayback.recorder.secrets import APART, Sieve
from autoplayback.tape.columns import texts
from autoplayback.tape.model import TargetNote
from autoplayback.tape.payload import Rendered

SHORTEST: Final = 7
"""Bytes of the shortest document with a secret in it: `://:p@`. A name takes three more than its letters, so this is all."""
SMALL: Final = 4 << 10
"""Bytes of a document up to which it is remembered. Statements, settings and reference data are recorded again and again."""
REMEMBERED: Final = 2 << 20
"""Bytes that the remembered documents may take, all together."""
OVERHEAD: Final = 100
"""Bytes that each of them takes beside its own."""
BLOB: Final = 64 << 10
"""Bytes from which on a document is asked whether it is text at all."""
_BIN32: Final = 0xC6
_HOLDING: Final = (b"\x1f\x8b", b"--")
"""What gzip and multipart forms begin with: both hold texts behind, or beside, what is none."""
_PRINTED: Final = bytes(byte for byte in range(256) if byte >= 0x20 or byte in b"\t\n\v\f\r\x1b")
"""All that texts are made of, in Latin-1 and its kin too."""
_TARGETS: Final = 10_000


class Screen:
    """Looks at the tapes of one process. Belongs to the spool's thread."""

    def __init__(self, sieve: Sieve, patterns: Sequence[re.Pattern[str]], named: Callable[[tuple[str, ...]], bool], *,
                 always: bool = False) -> None:
        """`patterns` are looked for in all documents; `named` says whether names mean something secret; `always` doubts all."""
        self._sieve = sieve
        self._patterns = patterns
        self._named = named
        self._always = always
        self._shortest = 0 if patterns else min(SHORTEST, sieve.shortest + 3)
        self._clean: set[bytes] = set()
        self._clean_bytes = 0
        self._targets: dict[int, tuple[TargetNote, bool]] = {}
        self._environment: Mapping[str, Any] | None = None
        """The last one that was clean: all tapes of a process have the same."""

    def doubts(self, rendered: Rendered) -> bool:
        """Whether a tape needs the proper look."""
        return self._always or any(map(self._secret_names, rendered.targets)) or self._facts(rendered) or self._documents(
            [*rendered.documents, *map(whole, rendered.streams)])

    def suspect(self, data: bytes) -> bool:
        """Whether bytes may hold a secret."""
        if self._always or self._sieve.may_hold(data):
            return True
        if not self._patterns:
            return False
        text = data.decode("utf-8", "replace")
        return any(pattern.search(text) for pattern in self._patterns)

    def _secret_names(self, target: TargetNote) -> bool:
        known = self._targets.get(id(target))
        if known is None:
            if len(self._targets) >= _TARGETS:
                self._targets.clear()
            named = self._named((target.name, *(name for name, _ in target.parameters)))
            known = self._targets[id(target)] = (target, named)
        return known[1]

    def _facts(self, rendered: Rendered) -> bool:
        """Whether metadata, environment or the names of notes may hold one."""
        environment = None if rendered.environment is self._environment else rendered.environment
        if not (rendered.metadata or environment or rendered.names):
            return False
        facts = [rendered.metadata, environment, rendered.names]
        try:
            doubted = self.suspect(ormsgpack.packb(facts, None, ormsgpack.OPT_NON_STR_KEYS))
        except TypeError:
            return True
        if not doubted and environment is not None:
            self._environment = environment
        return doubted

    def _documents(self, documents: list[bytes]) -> bool:
        shortest, clean = self._shortest, self._clean
        documents = [document for document in documents if len(document) >= shortest]
        # Large ones aren't even looked up: taking the hash of a megabyte costs as much as compressing it.
        small = [document for document in documents if len(document) <= SMALL and document not in clean]
        for document in documents:
            if len(document) > SMALL and not self._is_blob(document) and self.suspect(texts(document)):
                return True
        if not small:
            return False
        together = APART.join(small)
        if self.suspect(together):
            return True
        weight = len(together) + OVERHEAD * len(small)
        self._clean_bytes += weight
        if self._clean_bytes > REMEMBERED:
            clean.clear()
            self._clean_bytes = weight
        clean.update(small)
        return False

    def _is_blob(self, document: bytes) -> bool:
        """Whether a document is nothing but binary data: no text in whatever encoding, nothing which could hold some."""
        return not self._patterns and len(document) >= BLOB and document[0] == _BIN32 and _is_binary(document[5:4096])


def _is_binary(head: bytes) -> bool:
    if head.startswith(_HOLDING) or not head.translate(None, _PRINTED):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start < len(head) - 3  # the last character may be cut
    return False
