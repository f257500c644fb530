"""Structure inside text and bytes: JSON, XML, HTML, lines. What reads as the same structure is compared as structure.

    JSON    an object or array: key order and white space don't count, numbers keep their type (1 is not 1.0)
    XML     elements: attribute order, quoting and indentation don't count, all other text does
    HTML    the same, and runs of white space count as one space (not in <pre>, <textarea>, <script> and <style>)
    lines   any other text of several lines: a list of its lines
    gzip, zlib   bytes that begin so are inflated first

Text that isn't well-formed in these, or says a thing twice (a duplicate JSON key), is compared as it stands.
"""

from __future__ import annotations

import json
import zlib
from html.parser import HTMLParser
from typing import Any
from xml.parsers import expat

_LARGEST = 64 * 1024 * 1024
"""Bytes: what inflates to more, or is longer, isn't read into."""
_DEEPEST = 400
_MOST_LINES = 200_000


class _Unreadable(Exception):
    """The text isn't of the format tried."""


def structures(recorded: Any, replayed: Any) -> tuple[Any, Any] | None:
    """Both as trees of one format; None where they don't have one in common, and are to be compared as they stand."""
    one, other = text(recorded), text(replayed)
    if one is None or other is None or len(one) > _LARGEST or len(other) > _LARGEST:
        return None
    for read in (_json, _xml, _html, _lines):
        try:
            return read(one), read(other)
        except (_Unreadable, ValueError, RecursionError, expat.ExpatError):
            continue
    return None


def structure(value: Any) -> Any:
    """One value as the tree it would be compared as, so that a rule's path can be looked up in it; None where it has none."""
    both = structures(value, value)
    return both[0] if both else None


def text(value: Any) -> str | None:
    """The text of a str, or of bytes that are UTF-8, compressed or not; None for any other value."""
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        return None
    try:
        return inflated(value).decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def inflated(data: bytes, encoding: str = "") -> bytes:
    """What compressed bytes hold: gzip by its magic number, zlib where `encoding` says `deflate`; other bytes as they are."""
    if data[:3] == b"\x1f\x8b\x08":
        window = 31
    elif encoding == "deflate":
        window = 15
    else:
        return data
    reader = zlib.decompressobj(window)
    try:
        plain = reader.decompress(data, _LARGEST)
    except zlib.error:
        return data
    return plain if reader.eof and not reader.unused_data else data


def _json(text: str) -> Any:
    start = text.lstrip()[:1]
    if start not in ("{", "["):
        raise _Unreadable
    return json.loads(text, object_pairs_hook=_without_duplicates)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Unreadable
    return found


def _xml(text: str) -> Any:
    if not text.lstrip("\ufeff \t\r\n").startswith("<") or _is_html(text):
        raise _Unreadable
    builder = _Elements()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = lambda name: builder.end()
    parser.CharacterDataHandler = builder.data
    parser.CommentHandler = lambda comment: builder.add({"comment": comment})
    parser.ProcessingInstructionHandler = lambda target, data: builder.add({"instruction": [target, data]})
    parser.EntityDeclHandler = _refuse  # entities may expand without end, and may hide what is compared
    parser.Parse(text.encode("utf-8", "strict") if not text.startswith("<?xml") else _undeclared(text), True)
    return builder.tree()


def _undeclared(text: str) -> bytes:
    """The document without its declaration, whose encoding is no longer true of decoded text."""
    return text.partition("?>")[2].lstrip().encode()


def _refuse(*_: object) -> None:
    raise _Unreadable


def _is_html(text: str) -> bool:
    start = text.lstrip("\ufeff \t\r\n")[:64].lower()
    return start.startswith(("<!doctype html", "<html"))


def _html(text: str) -> Any:
    if not _is_html(text):
        raise _Unreadable
    reader = _HtmlReader()
    reader.feed(text)
    reader.close()
    return reader.builder.tree()


class _Elements:
    """Builds a tree of plain dicts: `{"tag", "attributes", "children"}`, text as str."""

    def __init__(self) -> None:
        self.root: list[Any] = []
        self._open: list[tuple[str, list[Any]]] = [("", self.root)]

    def start(self, name: str, attributes: Any) -> None:
        if len(self._open) > _DEEPEST:
            raise _Unreadable
        children: list[Any] = []
        self.add({"tag": name, "attributes": dict(attributes), "children": children})
        self._open.append((name, children))

    def end(self) -> None:
        if len(self._open) > 1:
            self._open.pop()

    def close(self, name: str) -> None:
        """Ends the nearest open element of this name and all within it; an end tag without a start counts for nothing."""
        if any(name == open_name for open_name, _ in self._open[1:]):
            while self._open[-1][0] != name:
                self._open.pop()
            self._open.pop()

    def data(self, text: str) -> None:
        if not text.strip() and "\n" in text:
            return  # indentation
        children = self._open[-1][1]
        if children and isinstance(children[-1], str):
            children[-1] += text
        else:
            children.append(text)

    def add(self, node: Any) -> None:
        self._open[-1][1].append(node)

    def tree(self) -> Any:
        return {"children": self.root} if len(self.root) != 1 else self.root[0]


_VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"])
_VERBATIM = frozenset(("pre", "textarea", "script", "style"))


class _HtmlReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.builder = _Elements()
        self._verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if len({name for name, _ in attrs}) != len(attrs):
            raise _Unreadable
        self.builder.start(tag, dict(attrs))
        if tag in _VOID:
            self.builder.end()
        elif tag in _VERBATIM:
            self._verbatim += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self.builder.close(tag)
        if tag in _VERBATIM and self._verbatim:
            self._verbatim -= 1

    def handle_data(self, data: str) -> None:
        if self._verbatim:
            self.builder.add(data)
        elif not data.isspace() or "\n" not in data:
            lead, tail = (" " if data[:1].isspace() else ""), (" " if data[-1:].isspace() else "")
            self.builder.data(f"{lead}{' '.join(data.split())}{tail}" if not data.isspace() else " ")

    def handle_comment(self, data: str) -> None:
        self.builder.add({"comment": data})

    def handle_decl(self, decl: str) -> None:
        self.builder.add({"declaration": decl.lower()})


def _lines(text: str) -> Any:
    lines = text.split("\n")
    if not 1 < len(lines) <= _MOST_LINES:
        raise _Unreadable
    return lines
