"""Takes secrets off finished tapes, before a byte of them leaves the process.

Runs on the spool's thread, on encoded documents. Most tapes pass the screen in microseconds and are written as they are. It
doesn't catch its own faults: a tape that can't be redacted must be lost, which is the spool's decision.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from autoplayback.config.paths import Kind, Path, Rules, Segment, parse
from autoplayback.recorder.documents import POSITIONAL, Held, Raw, opened, packed, sized, unpacked, whole
from autoplayback.recorder.rewriting import SHORTEST, Marks, Rewriter
from autoplayback.recorder.screening import Screen
from autoplayback.recorder.secrets import Sieve, Tokens, letters, names_secret
from autoplayback.tape.model import Call, HandleNote, Outcome, Tape
from autoplayback.tape.payload import Rendered, load
from autoplayback.tape.wire import Code

KEY_VARIABLE: Final = "AUTOPLAYBACK_REDACTION_KEY"
"""Keys the tokens. Set the same one where tapes are replayed if code under test holds secrets of its own."""
_PLACES: Final = frozenset({"self", "args", "result", "error", "inputs", "outputs", "metadata", "environment", "notes"})
DRAWN: Final = ("inputs", "secrets")
"""Where the results of calls stand that give nothing but secrets: those of the module `secrets`."""
_BORDERS: Final = re.compile(r"[$^]|\\[AbBZ]|\(\?<?[=!]")
"""What asks in a pattern for the border of a text or word, or looks at what stands around it."""

Roots = tuple[str, ...]


class Redactor:
    """What a config's `redact:` and the defaults say is secret, ready to be taken off tapes."""

    def __init__(self, entries: Iterable[str] = (), *, key: str | None = None) -> None:
        """`entries` are paths, which hold anywhere in a value, or `/regular expressions/` for any text."""
        entries = list(entries)
        patterns = [entry[1:-1] for entry in entries if _is_pattern(entry)]
        paths = [parse(entry.lower()) for entry in entries if not _is_pattern(entry)]
        words = [_word(path) for path in paths]
        self._patterns = tuple(re.compile(pattern) for pattern in patterns)
        self._rules: Rules[bool] = Rules([(_anywhere(path), True) for path in paths])
        self._tokens = Tokens(os.environ.get(KEY_VARIABLE, "") if key is None else key)
        self._named = lru_cache(maxsize=4096)(self._names_match)
        # A path without a name in it, such as `result[0]`, can't be looked for; nor, among bytes, the start or end of a text, or
        # letters whose bytes depend on its encoding.
        always = not all(words) or any(_BORDERS.search(pattern) or not pattern.isascii() for pattern in patterns)
        self._screen = Screen(Sieve(word for word in words if word), self._patterns, self._named, always=always)
        self._suspect = self._screen.suspect

    def finish(self, rendered: Rendered) -> Tape | None:
        """A payload's tape without its secrets; None where it can have none, which a look at it nearly always says."""
        if not self._screen.doubts(rendered):
            return None
        tape = load(rendered.data)
        made = self.redact(tape)
        return None if made is tape else made

    def redact(self, tape: Tape, recorded: Tape | None = None) -> Tape:
        """The tape without its secrets; the same object where it has none. That the replay of a `recorded` tape has some is asked
        only of documents which don't stand there too: those were looked at when it was recorded."""
        known = frozenset(_documents(recorded)) if recorded is not None else ()
        documents = b"\n".join([document for document in _documents(tape) if document not in known])
        names = self._named(tuple(_names(tape)))
        if not (names or self._suspect(documents)):
            return tape
        rewriter = Rewriter(self._rules, self._patterns, self._tokens, self._suspect)
        made = _Pass(rewriter, self._suspect, self._named).tape(tape)
        if rewriter.found:
            made = _Pass(Known(rewriter.found), _contains(rewriter.found), lambda names: False).tape(made)
        return made

    def document(self, document: bytes, roots: Roots = (), parameters: Sequence[tuple[str, int]] = ()) -> bytes:
        """One document of arguments as it would stand on a redacted tape: what a replay with real secrets compares by."""
        rewriter = Rewriter(self._rules, self._patterns, self._tokens, self._suspect)
        return _Pass(rewriter, lambda data: True, lambda names: True).arguments(document, roots, parameters)

    def _names_match(self, names: tuple[str, ...]) -> bool:
        return any(names_secret(name) or self._suspect(name.encode()) for name in names)


class Known:
    """The second look: secrets found somewhere on a tape, wherever else they stand on it."""

    def __init__(self, found: Mapping[str, str]) -> None:
        # The longest first: one secret may be part of another.
        self._pattern = re.compile("|".join(re.escape(secret) for secret in sorted(found, key=len, reverse=True)))
        self._inside = _contains(found)
        self._found = found
        self.rules: Rules[bool] = Rules([])

    def tree(self, node: Any, marks: Marks, hot: bool = False) -> Any:
        match node:
            case str():
                return self._text(node)
            case bytes():
                text = node.decode("utf-8", "surrogateescape")
                made = self._text(text)
                return made.encode("utf-8", "surrogateescape") if made != text else node
            case list():
                return [self.tree(item, marks) for item in node]
            case dict():
                # What is kept under a token (a session by its id) has it in a key.
                return {self._text(key) if isinstance(key, str) else key: self.tree(value, marks) for key, value in node.items()}
            case Raw() if self._inside(node.data):
                return self.tree(opened(node), marks) if node.holds else Raw(node.code, self.tree(node.data, marks))
            case Held():
                if node.code == Code.MANY:
                    *head, values = node.value  # names of types and fields, no texts of the service's
                    return Held(node.code, [*head, self.tree(values, marks)])
                if node.code != Code.TAGGED:
                    return Held(node.code, self.tree(node.value, marks))
                kind, type_, *values = node.value  # the first two are no texts of the service's, nor are the names of fields
                return Held(node.code, [kind, type_, *(self._fields(value, marks) for value in values)])
            case _:
                return node

    def below(self, node: Any, key: Any, marks: Marks, hot: bool) -> Any:
        return self.tree(node, marks)

    def _fields(self, node: Any, marks: Marks) -> Any:
        if isinstance(node, dict):
            return {name: self.tree(value, marks) for name, value in node.items()}
        return self.tree(node, marks)

    def _text(self, text: str) -> str:
        return self._pattern.sub(lambda match: self._found[match[0]], text)


class _Pass:
    """One rewriting of a whole tape: which document stands where, and which of them to look into."""

    def __init__(
        self, rewriter: Rewriter | Known, suspect: Callable[[bytes], bool], named: Callable[[tuple[str, ...]], bool]
    ) -> None:
        """`suspect` and `named` say whether to look into bytes, and into what stands under such names."""
        self.rewriter = rewriter
        self.suspect = suspect
        self.named = named
        self.start = rewriter.rules.start

    def tape(self, tape: Tape) -> Tape:
        return replace(
            tape,
            receiver=self.value(tape.receiver, ("self",)) if tape.receiver is not None else None,
            arguments=self.arguments(tape.arguments, (), tape.target.parameters),
            calls=tuple(map(self.call, tape.calls)),
            outcome=self.outcome(tape.outcome, ()),
            metadata={key: self.plain(value, ("metadata", key)) for key, value in tape.metadata.items()},
            environment={key: self.plain(value, ("environment", key)) for key, value in tape.environment.items()},
            notes=tuple((key, self.value(note, ("notes", key))) for key, note in tape.notes),
            handles=tuple(map(self.handle, tape.handles)),
        )

    def call(self, call: Call) -> Call:
        roots = (f"{call.target.role}s", *call.target.name.split("."))
        arguments = self.arguments(call.arguments, (*roots, "args"), call.target.parameters)
        outcome = self.outcome(call.outcome, roots)
        if arguments is call.arguments and outcome is call.outcome:
            return call
        return replace(call, arguments=arguments, outcome=outcome)

    def handle(self, handle: HandleNote) -> HandleNote:
        arguments = self.arguments(handle.arguments, (handle.name, "args"), ())
        return handle if arguments is handle.arguments else replace(handle, arguments=arguments)

    def arguments(self, document: bytes, roots: Roots, parameters: Sequence[tuple[str, int]]) -> bytes:
        """A document `[positional list, keyword map]`, its positional arguments under the names of their parameters."""
        names = [name for name, kind in parameters if kind in POSITIONAL]
        if not document or not (self.named((*roots, *names)) or self.suspect(document)):
            return document
        tree = unpacked(document)
        if isinstance(tree, Raw) and tree.holds:
            tree = opened(tree)
        graph = tree.value if isinstance(tree, Held) else None  # references or depth: the arguments are the graph's root
        root = graph[0] if graph is not None else tree
        if not (isinstance(root, list) and len(root) == 2 and isinstance(root[0], list)):
            return self._rewritten(tree, document, roots)
        marks = self._marks(roots)
        rewrite, below = self.rewriter.tree, self.rewriter.below
        positional = [below(value, names[index], marks, False) if index < len(names) else rewrite(value, marks.step(index))
                      for index, value in enumerate(root[0])]
        made = [positional, rewrite(root[1], marks)]
        if graph is not None:
            return packed(Held(tree.code, [made, *(rewrite(part, marks) for part in graph[1:])]))
        return packed(made)

    def outcome(self, outcome: Outcome, roots: Roots) -> Outcome:
        where = (*roots, "error" if outcome.end.value == "raised" else "result")
        value = self.value(outcome.value, where) if outcome.value else outcome.value
        items = outcome.items
        if items and (self.named((*roots, "result")) or self.suspect(whole(items))):
            items, old, new = self.stream(items, (*roots, "result"))
            if old != new and value:
                value = packed(sized(_headers(unpacked(value), old, new), old, new))
        if value is outcome.value and items is outcome.items:
            return outcome
        return replace(outcome, value=value, items=items)

    def stream(self, items: tuple[bytes, ...], roots: Roots) -> tuple[tuple[bytes, ...], int, int]:
        """A stream's items, with the bytes of its body before and after; chunks of one body are read as one."""
        chunks = [unpacked(item) for item in items]
        kinds = {type(chunk) for chunk in chunks}
        if kinds not in ({bytes}, {str}):
            return tuple(self.value(item, (*roots,)) for item in items), 0, 0
        whole = chunks[0][:0].join(chunks)
        made = self.rewriter.tree(whole, self._marks(roots))
        if made is whole or made == whole:
            return items, 0, 0
        pieces, at = [], 0
        for chunk in chunks[:-1]:
            pieces.append(made[at : at + len(chunk)])
            at += len(chunk)
        pieces.append(made[at:])
        return tuple(packed(piece) for piece in pieces), len(whole), len(made)

    def value(self, document: bytes, roots: Roots) -> bytes:
        if not document or not (self.named(roots) or self.suspect(document)):
            return document
        return self._rewritten(unpacked(document), document, roots)

    def plain(self, value: Any, roots: Roots) -> Any:
        """A value which isn't a document: metadata and environment."""
        if value is None or isinstance(value, bool):
            return value
        return self.rewriter.below(value, roots[-1], self._marks(roots[:-1]), False)

    def _rewritten(self, tree: Any, document: bytes, roots: Roots) -> bytes:
        marks = self._marks(roots)
        # A token too short to be followed is none: it stands wherever it went, and its stand-in would match nothing of that.
        drawn = roots[:2] == DRAWN and not (isinstance(tree, str) and len(tree) < SHORTEST)
        hot = bool(roots) and isinstance(self.rewriter, Rewriter) and (names_secret(roots[-1]) or drawn)
        made = self.rewriter.tree(tree, marks, hot)
        return document if made is tree else packed(made)

    def _marks(self, roots: Roots) -> Marks:
        marks = self.start
        for root in roots:
            marks = marks.step(root.lower())
        return marks


def _headers(tree: Any, old: int, new: int) -> Any:
    """The head of a response, with the length of its body wherever headers stand in it."""
    if isinstance(tree, dict) and "headers" in tree:
        return {**tree, "headers": sized(tree["headers"], old, new)}
    return tree


def _is_pattern(entry: str) -> bool:
    return len(entry) > 2 and entry[0] == "/" and entry[-1] == "/"


def _anywhere(path: Path) -> Path:
    return path if path.segments[0].kind is Kind.DEEP else Path((Segment(Kind.DEEP), *path.segments), path.text)


def _word(path: Path) -> str:
    """The letters of the last name in a path: where it means something they stand, in the bytes or in a name around them.

    Empty if it has none but those of places which every tape has.
    """
    names = [str(segment.value) for segment in path.segments if segment.kind in (Kind.NAME, Kind.GLOB)]
    last = next((name for name in reversed(names) if name not in _PLACES), "")
    return max(map(letters, last.split("*")), key=len)


def _contains(found: Mapping[str, str]) -> Callable[[bytes], bool]:
    secrets = [secret.encode("utf-8", "surrogatepass") for secret in found]
    return lambda data: any(secret in data for secret in secrets)


def _documents(tape: Tape) -> Iterator[bytes]:
    yield tape.receiver or b""
    yield tape.arguments
    yield tape.outcome.value
    if tape.outcome.items:
        yield whole(tape.outcome.items)
    for call in tape.calls:
        yield call.arguments
        yield call.outcome.value
        if call.outcome.items:
            yield whole(call.outcome.items)
    for handle in tape.handles:
        yield handle.arguments
    for key, note in tape.notes:
        yield key.encode()
        yield note
    for value in (*tape.metadata.values(), *tape.environment.values()):
        if isinstance(value, (str, dict, list)):
            yield str(value).encode("utf-8", "replace")


def _names(tape: Tape) -> Iterator[str]:
    """Names of the tape that stand in no document."""
    yield from tape.metadata
    yield from tape.environment
    for target in {tape.target, *(call.target for call in tape.calls)}:
        yield target.name
        yield from (name for name, _ in target.parameters)
