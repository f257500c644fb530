"""Replaces what is secret inside one encoded document, and inside what its texts and bytes hold: JSON, forms, gzip, messages."""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote, unquote_plus

from autoplayback.config.paths import Rules, State
from autoplayback.recorder.documents import Held, Raw, opened, sized
from autoplayback.recorder.secrets import TEXTS, Tokens, is_token, names_secret
from autoplayback.tape.rows import expanded
from autoplayback.tape.wire import Code

Marks = State[bool]

_INFLATED: Final = 64 << 20
"""Bytes a gzip body may unpack to; over it the whole body is replaced, as nobody looked inside."""
SHORTEST: Final = 6
"""Characters of a secret that is also looked for in other texts of the tape: a shorter one would hit what it isn't."""
_RUNNING: Final = re.compile(r"[\s<]")
"""What no form or query has in it, but prose and markup."""
_FIXED: Final = {
    "datetime:datetime": "1970-01-01T00:00:00",
    "datetime:date": "1970-01-01",
    "datetime:time": "00:00:00",
}
_NAMED_ONLY: Final = frozenset({"class", "function", "method", "module", "handle", "enum", "opaque", "ref"})
"""Kinds of tagged values which are references: there is nothing secret in them, and changing them breaks them."""


class Rewriter:
    """Rewrites trees under rules. `found` gathers the secrets met, for a second look at the rest of the tape."""

    def __init__(
        self, rules: Rules[bool], patterns: tuple[re.Pattern[str], ...], tokens: Tokens, suspect: Callable[[bytes], bool]
    ) -> None:
        """`suspect` says whether bytes may hold a secret by its name or its text."""
        self.rules = rules
        self.patterns = patterns
        self.tokens = tokens
        # A path of the config may mean a place by names that stand above it: then everything is looked into.
        self.suspect = (lambda data: True) if rules.paths else suspect
        self.found: dict[str, str] = {}

    # Trees. `hot` says that the place, or one above it, is secret as a whole. What isn't changed comes back as the same object.

    def tree(self, node: Any, marks: Marks, hot: bool = False) -> Any:
        hot = hot or bool(marks.accepted)
        match node:
            case None | bool():
                return node
            case str():
                return self.secret_text(node) if hot else self.text(node, marks)
            case bytes():
                return self.secret_bytes(node) if hot else self.body(node, marks)
            case int() | float():
                return self.number(node) if hot else node
            case list():
                return self._list(node, marks, hot)
            case dict():
                return self._map(node, marks, hot)
            case Held():
                return self._in_held(node, marks, hot)
            case Raw():
                return self._in_raw(node, marks, hot)
            case _:
                return node

    def below(self, node: Any, key: Any, marks: Marks, hot: bool) -> Any:
        """What stands under a key; headers and cookies keep their form, so that the code which parses them goes on."""
        name = key.decode("latin-1") if isinstance(key, bytes) else key if isinstance(key, (str, int)) else str(key)
        step = marks.step(name.lower() if isinstance(name, str) else name)
        if isinstance(name, str) and names_secret(name):
            made = self.header(name.lower(), node)
            return made if made is not None else self.tree(node, step, True)
        return self.tree(node, step, hot)

    def _list(self, node: list[Any], marks: Marks, hot: bool) -> Any:
        if len(node) == 2 and isinstance(node[0], (str, bytes)) and len(node[0]) < 100:
            made = [node[0], self.below(node[1], node[0], marks, hot)]  # perhaps a pair of a list of headers
            if not hot:
                return made if made[1] is not node[1] else self._items(node, marks, hot)
        return self._items(node, marks, hot)

    def _items(self, node: list[Any], marks: Marks, hot: bool) -> Any:
        made = [self.tree(item, marks.step(index), hot) for index, item in enumerate(node)]
        return made if any(new is not old for new, old in zip(made, node, strict=True)) else node

    def _map(self, node: dict[Any, Any], marks: Marks, hot: bool) -> Any:
        made = {key: self.below(value, key, marks, hot) for key, value in node.items()}
        if all(made[key] is value for key, value in node.items()):
            return node
        old, new = node.get("body"), made.get("body")
        if isinstance(old, (bytes, str)) and isinstance(new, (bytes, str)) and len(old) != len(new) and "headers" in made:
            made["headers"] = sized(made["headers"], len(old), len(new))
        return made

    def _in_held(self, node: Held, marks: Marks, hot: bool) -> Any:
        value = node.value
        if node.code == Code.REF or node.code == Code.PART:
            return node
        if node.code == Code.MAP:
            made = list(value)
            for at in range(1, len(value), 2):
                made[at] = self.below(value[at], value[at - 1], marks, hot)
        elif node.code == Code.TAGGED:
            if value[0] in _NAMED_ONLY:
                return node
            made = [*value[:2], self._tagged(value, marks, hot), *(self.tree(extra, marks, hot) for extra in value[3:])]
        elif node.code == Code.GRAPH:
            made = [self.tree(part, marks, hot) for part in value]
        elif node.code == Code.MANY:  # its fields' names stand apart from their values: looked at item by item
            items = [content if code is None else Held(code, content) for code, content in expanded(value)]
            made = self._items(items, marks, hot)
            return made if made is not items else node
        elif isinstance(value, list):
            made = self._list(value, marks, hot)
        else:
            return node
        return Held(node.code, made) if made is not value and any(a is not b for a, b in zip(made, value, strict=True)) else node

    def _tagged(self, tagged: list[Any], marks: Marks, hot: bool) -> Any:
        """The value of a tagged node, replaced by one from which its type can still be made."""
        _, type_, value, *_ = tagged
        if not hot or not isinstance(value, str):
            return self.tree(value, marks, hot)
        if type_ in _FIXED:
            return _FIXED[type_]
        if type_ == "uuid:UUID":
            return self.tokens.uuid(value)
        if type_.startswith("ipaddress:"):
            return "0.0.0.0" if "4" in type_ else "::"
        if value.strip().lstrip("+-").replace(".", "", 1).isdigit():
            return self.tokens.digits(value)
        return self.secret_text(value)

    def _in_raw(self, node: Raw, marks: Marks, hot: bool) -> Any:
        if node.holds:
            if not hot and not self.suspect(node.data):
                return node
            held = opened(node)
            made = self._in_held(held, marks, hot)
            return node if made is held else made
        if node.code == Code.INT:
            if not hot:
                return node
            digits = int.from_bytes(node.data, "big", signed=True)
            new = int(self.tokens.digits(str(digits)))
            return Raw(node.code, new.to_bytes(len(node.data) + 1, "big", signed=True))
        new_data = self.secret_bytes(node.data) if hot else self.body(node.data, marks)
        return Raw(node.code, new_data) if new_data is not node.data else node

    # Leaves.

    def secret_text(self, text: str) -> str:
        if not text or is_token(text):
            return text
        made = self.tokens.text(text)
        if len(text) >= SHORTEST:
            self.found[text] = made
        return made

    def quoted_text(self, text: str, plain: str) -> str:
        """A secret as it stands in a form or URL: under the token of what the service gets to see."""
        made = self.secret_text(plain)
        if plain != text and len(text) >= SHORTEST and not is_token(plain):
            self.found[text] = made
        return made

    def secret_bytes(self, data: bytes) -> bytes:
        try:
            return self.secret_text(data.decode()).encode()
        except UnicodeDecodeError:
            return self.tokens.text(data).encode()

    def number(self, value: float) -> float:
        return type(value)(self.tokens.digits(repr(value))) if value == value and abs(value) < 1e15 else type(value)(0)

    def header(self, name: str, value: Any) -> Any:
        """A cookie or authorization header with its secrets replaced and its form kept; None where it is neither."""
        if isinstance(value, bytes):
            made = self.header(name, value.decode("latin-1"))
            return made.encode("latin-1") if made is not None else None
        if isinstance(value, list):
            made_list = [self.header(name, item) for item in value]
            return made_list if all(item is not None for item in made_list) else None
        if not isinstance(value, str):
            return None
        if name == "cookie":
            return re.sub(r"(=)([^;]*)", lambda m: m[1] + self.secret_text(m[2]), value) if "=" in value else None
        if name == "set-cookie":
            return re.sub(r"^([^=;]*=)([^;]*)", lambda m: m[1] + self.secret_text(m[2]), value) if "=" in value else None
        if name.endswith("authorization"):
            scheme, space, credentials = value.partition(" ")
            if not space:
                return None
            if scheme.lower() == "basic":
                return f"{scheme} {base64.b64encode(self._userinfo(credentials).encode()).decode()}"
            return f"{scheme} {self.secret_text(credentials)}"
        return None

    def _userinfo(self, credentials: str) -> str:
        try:
            user, _, password = base64.b64decode(credentials).decode().partition(":")
        except ValueError:
            return self.secret_text(credentials)
        return f"{user}:{self.secret_text(password)}"

    # What texts and bytes hold.

    def body(self, data: bytes, marks: Marks) -> bytes:
        if data[:3] == b"\x1f\x8b\x08":
            return self._gzipped(data, marks)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode("latin-1")
            made = self.text(text, marks)
            return made.encode("latin-1", "replace") if made is not text else data
        made = self.text(text, marks)
        return made.encode() if made is not text else data

    def _gzipped(self, data: bytes, marks: Marks) -> bytes:
        inflater = zlib.decompressobj(wbits=31)
        try:
            plain = inflater.decompress(data, _INFLATED)
            if inflater.unconsumed_tail:
                return self.secret_bytes(data)
        except zlib.error:
            return data  # no gzip after all
        made = self.body(plain, marks)
        return gzip.compress(made, mtime=0) if made is not plain else data

    def text(self, text: str, marks: Marks) -> str:
        """A text with the secrets inside it replaced; the same object where there is none."""
        if len(text) < 4 or is_token(text):
            return text
        made = text
        if made.lstrip()[:1] in ("{", "["):
            made = self._json(made, marks)
            if _is_json(made):
                return text if made == text else made
        elif "=" in made and not marks.dead and not _RUNNING.search(made):
            made = self._form(made, marks)
        for pattern in TEXTS:
            made = pattern.sub(self._group, made)
        for pattern in self.patterns:
            made = pattern.sub(lambda found: self.secret_text(found[0]), made)
        return text if made == text else made

    def _group(self, found: re.Match[str]) -> str:
        name = "secret" if found.groupdict().get("secret") is not None else "quoted"
        start, end = (at - found.start() for at in found.span(name))
        meant = unquote_plus if "+" in found[name] and not _RUNNING.search(found.string) else unquote
        return found[0][:start] + self.quoted_text(found[name], meant(found[name])) + found[0][end:]

    def _form(self, text: str, marks: Marks) -> str:
        def field(found: re.Match[str]) -> str:
            secret = marks.step(found[2].lower()).accepted or names_secret(found[2])
            return found[1] + found[2] + "=" + (self.quoted_text(found[3], unquote_plus(found[3])) if secret else found[3])

        return re.sub(r"(^|[&?])([^=&?]+)=([^&#]*)", field, text)

    def _json(self, text: str, marks: Marks) -> str:
        """JSON rewritten in place, all else in it byte for byte as it was; cut or broken JSON as far as it goes."""
        made: list[str] = []
        last = 0
        stack: list[_Open] = []
        top = _Open(False, marks, False)
        for found in _JSON_TOKEN.finditer(text):
            token = found[0]
            if token in ("{", "["):
                step, hot = top.next(self)
                stack.append(top)
                top = _Open(token == "{", step, hot)
            elif token in ("}", "]"):
                top = stack.pop() if stack else top
            elif token == ",":
                top.index += 1
                top.key = None
            elif token == ":":
                continue
            elif top.object and top.key is None:
                top.key = _json_text(token)
            else:
                _, hot = top.next(self)
                step = top.step
                new = self._json_leaf(token, step, hot)
                if new is not token:
                    made += (text[last : found.start()], new)
                    last = found.end()
        return "".join(made) + text[last:] if made else text

    def _json_leaf(self, token: str, marks: Marks, hot: bool) -> str:
        if token[0] == '"':
            value = _json_text(token)
            new = self.secret_text(value) if hot else self.text(value, marks)
            return json.dumps(new, ensure_ascii=token.isascii()) if new is not value and new != value else token
        if hot and token[0] in "-0123456789":
            return self.tokens.digits(token) if not re.search("[eE]", token) else "0"
        return token


_JSON_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _json_text(token: str) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        return token.strip('"')


class _Open:
    """A JSON object or array on the way through a text."""

    __slots__ = ("hot", "index", "key", "marks", "object", "step")

    def __init__(self, object: bool, marks: Marks, hot: bool) -> None:
        self.object, self.marks, self.hot = object, marks, hot
        self.index = 0
        self.key: str | None = None
        self.step = marks

    def next(self, rewriter: Rewriter) -> tuple[Marks, bool]:
        """Where the value that begins now stands, and whether it is secret as a whole."""
        if self.object:
            self.step = self.marks.step((self.key or "").lower())
            secret = names_secret(self.key or "")
        else:
            self.step = self.marks.step(self.index)
            secret = False
        return self.step, self.hot or secret or bool(self.step.accepted)
