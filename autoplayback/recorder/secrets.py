"""What looks like a secret: names that hold one, texts that carry one, and a quick look whether bytes can have any."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz"
_LOWER: Final = bytes(range(256)).lower()
_NO_LETTERS: Final = bytes(byte for byte in range(256) if bytes([byte]).lower()[0] not in _LETTERS)

_WORDS: Final = ("password", "passwd", "passphrase", "authorization", "apikey", "credential", "privatekey", "accesskey",
                 "secretkey")
_ENDINGS: Final = ("token", "secret", "cookie", "cookies")
_WHOLE: Final = frozenset({"bearer", "secrets"})


def letters(name: str) -> str:
    """A name by its letters alone: `X-Api-Key`, `api_key` and `apiKey` are one."""
    return name.encode(errors="replace").translate(_LOWER, _NO_LETTERS).decode("ascii")


@lru_cache(maxsize=8192)
def names_secret(name: str) -> bool:
    """Whether what stands under a key, header, parameter or field of this name is a secret by default."""
    plain = letters(name)
    return plain in _WHOLE or plain.endswith(_ENDINGS) or any(word in plain for word in _WORDS)


_NAME: Final = (r"(?:passw(?:or)?d|passphrase|authorization|api[_-]?key|credential|private[_-]?key|access[_-]?key|secret|token"
                r"|cookie)")

TEXTS: Final = (
    # scheme://user:PASSWORD@host
    re.compile(r"(?<=://)[^/\s:@\"'?#]{0,256}:(?P<secret>[^/\s@\"']{1,512})(?=@)"),
    re.compile(r"\bbearer +(?P<secret>[\w.~+/-]{6,}=*)", re.IGNORECASE),
    # name=value, name: value, "name": "value", name='value': log lines, messages of exceptions, connection strings, queries
    re.compile(_NAME + r"""["']?\s{0,4}[=:]\s{0,4}(?:(?:basic|bearer|digest)\s+)?"""
               r"""(?:\\?["'](?P<quoted>[^"'\\\n]{1,4096})|(?P<secret>[^\s"'&;,<>(){}\[\]\\]+))""", re.IGNORECASE),
    # <password>value</password>
    re.compile(rf"<[\w:-]{{0,40}}?{_NAME}>(?P<secret>[^<]{{1,4096}})</", re.IGNORECASE),
    # the field of a multipart form
    re.compile(rf"\bname=\"[\w.-]{{0,40}}?{_NAME}\"\r?\n(?:[^\r\n]+\r?\n)*\r?\n(?P<secret>[^\r\n]+)", re.IGNORECASE),
    re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?P<secret>[^-]+)-----END"),
)
"""What carries a secret in a running text; the secret is the group that matched."""

SHAPES: Final = {
    "AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
    "Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "Stripe key": re.compile(r"\b[rs]k_live_[A-Za-z0-9]{16,}"),
    "JSON web token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[^-]"),
}
"""Secrets known by their own shape, whatever stands before them: what a scan of stored tapes also looks for."""

_TOKEN: Final = re.compile(r"redacted-[0-9a-f]{12}")


def is_token(text: str) -> bool:
    """Whether a text is a replacement already: those are left alone, so redacting twice changes nothing."""
    return _TOKEN.fullmatch(text) is not None


class Tokens:
    """Stable replacements: equal secrets map to equal tokens, in every process that has the same key.

    A token is a keyed hash cut to 48 bits. A secret which can be guessed (a PIN) can be guessed from its token too by whoever
    knows the key, so set one where tapes leave your hands.
    """

    def __init__(self, key: str = "") -> None:
        self._key = hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=32).digest()

    def _digest(self, secret: str | bytes) -> str:
        data = secret.encode(errors="surrogatepass") if isinstance(secret, str) else secret
        return hashlib.blake2b(data, key=self._key, digest_size=16).hexdigest()

    def text(self, secret: str | bytes) -> str:
        """The token of a text."""
        return f"redacted-{self._digest(secret)[:12]}"

    def digits(self, number: str) -> str:
        """A number's digits replaced by others, its sign, point and length kept: code that computes with it goes on."""
        pool = iter(str(int(self._digest(number) * 4, 16)).lstrip("0"))
        made = "".join(next(pool, "7") if sign.isdigit() else sign for sign in number)
        return re.sub(r"(?<![\d.])0+(?=\d)", lambda zeros: "1" * len(zeros[0]), made)

    def uuid(self, secret: str) -> str:
        """A UUID in place of a UUID."""
        h = self._digest(secret)
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-8{h[17:20]}-{h[20:32]}"


_SOUGHT: Final = ("token", "cookie", "apikey", "privatekey", "accesskey", "passw", "passphrase", "secret", "credential",
                  "authorization", "bearer")
"""The words of the defaults."""
_HINTS: Final = (b"ok", b"key", b"pass", b"cre")
"""What several of them have in common: one search that finds nothing does for all of those."""
_RARE: Final = b"zqxjkvbpygfwmucldrhsnioate"
"""Letters, the rarest in texts first."""
APART: Final = b"\xc1"
"""Put between documents that are looked at together, where it keeps words from forming: MessagePack has no such byte."""
_BUT_LETTERS: Final = bytes(byte for byte in _NO_LETTERS if byte != APART[0])


class Sieve:
    """Says quickly, and never wrongly with no, whether bytes can hold a secret: what passes is looked at properly.

    The bytes are reduced to their letters, in one pass at C speed, since `X-Api-Key`, `api_key` and `apiKey` are one name; what
    is left is searched for words. Each search costs nearly as much as the reduction, hence the hints.
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        """`words` are further names to look for, their letters only; case doesn't matter."""
        self._groups: dict[tuple[int, bytes], list[bytes]] = {}
        sought = [word.encode() for word in (*_SOUGHT, *words)]
        self.shortest = min(map(len, sought))
        """Letters of the shortest word."""
        for word in sought:
            hint = next((hint for hint in _HINTS if hint in word), word)
            self._groups.setdefault((min(hint, key=_RARE.index), hint), []).append(word)

    def may_hold(self, data: bytes) -> bool:
        """Whether a proper look is needed."""
        # By `find`, and single bytes as numbers: `in` first takes bytes for a number, fails, and has cost 200 ns by then.
        if 0x1F in data and data.find(b"\x1f\x8b\x08") >= 0:  # gzip: its content must be looked at
            return True
        if 0x40 in data and data.find(b"://") >= 0:
            return True
        letters = data.translate(_LOWER, _BUT_LETTERS)
        find = letters.find
        for (rare, hint), words in self._groups.items():
            if rare in letters and find(hint) >= 0 and any(find(word) >= 0 for word in words):  # a single letter costs nothing
                return True
        return False
