"""Header values of `email.message.EmailMessage`: texts whose classes are made at run time, with what was parsed of them."""

from __future__ import annotations

from email.headerregistry import BaseHeader, HeaderRegistry
from typing import Any, Final

from autoplayback.tape.adapters.registry import Adapter, Split

_header: Final = HeaderRegistry()


def _dump(header: Any) -> Split:
    return Split(str.__str__(header), BaseHeader.name.__get__(header))


def _load(cls: type, value: str, extra: str) -> Any:
    return _header(extra, value)


ADAPTERS: Final = [Adapter("email.headerregistry:BaseHeader", _dump, _load, closed=True, atomic=True)]
