"""The strings of the settings that are written in a notation: for each notation, what refuses a text which isn't in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from autoplayback.config import notations, paths
from autoplayback.config.nearest import nearest
from autoplayback.config.notations import NotationError

COMPARE_ROOTS = ("result", "error", "outputs")
RENAMED_KINDS = ("uuids", "timestamps")
_BARE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
"""Of an entry point. One with dots would be taken for a reference without its colon."""


def check_tapes(text: str) -> None:
    """Raises NotationError for what is neither a folder nor on S3."""
    scheme, found, rest = text.partition("://")
    if found and scheme != "s3":
        raise NotationError(f"there are no tapes at {scheme}://; write a folder, or s3://bucket/prefix")
    if found and not rest.partition("/")[0]:
        raise NotationError("the bucket's name is missing; write s3://bucket/prefix", len(text))
    if not text.strip():
        raise NotationError("empty; write a folder, or s3://bucket/prefix")


def _instance(text: str) -> None:
    if text not in ("new", "recorded"):
        if ":" not in text:
            near = _near(text, ("new", "recorded"))
            raise NotationError(f"{text!r} is neither `new`, `recorded` nor a factory module:function{near}")
        notations.reference(text)


def _near(text: str, names: Collection[str]) -> str:
    near = nearest(text, names)
    return f"; did you mean {near!r}?" if near else ""


def _package(text: str) -> None:
    for part in text.split("."):
        if not part.isidentifier():
            raise NotationError(f"{text!r} is no package; write its dotted name, such as orders.models",
                                text.index(part) if part else 0)


def _plug_in(text: str) -> None:
    # Whether a package offers the name is asked where tapes are compared: the recorded service needn't have it installed.
    if not _BARE_NAME.fullmatch(text):
        notations.reference(text)


def _metadata_path(text: str) -> None:
    path = paths.parse(text)
    if not path.single:
        raise NotationError(f"{text!r}: a metadata value is one place; write it without wildcards", text.index("*"))
    if not path.root:
        raise NotationError(f"{text!r} has to begin with a parameter's name, self, result or error")


def _compare_path(text: str) -> None:
    path = paths.parse(text)
    if path.segments[0].kind in (paths.Kind.ANY, paths.Kind.DEEP) or path.root in COMPARE_ROOTS:
        return
    near = nearest(path.root, COMPARE_ROOTS) if path.root else None
    guess = near + text[len(path.root):] if near else f"result{'' if text.startswith('[') else '.'}{text}"
    raise NotationError(f"{text!r} begins neither with result, error nor outputs; did you mean {guess!r}?")


def _renamed(text: str) -> None:
    if text not in RENAMED_KINDS:
        if near := nearest(text, RENAMED_KINDS):
            raise NotationError(f"{text!r} is neither uuids, timestamps nor a path; did you mean {near!r}?")
        _compare_path(text)


def _redaction(text: str) -> None:
    if len(text) > 1 and text[0] == text[-1] == "/":
        try:
            re.compile(text[1:-1])
        except re.error as error:
            raise NotationError(f"{text!r} is no regular expression: {error}", 1 + (error.pos or 0)) from None
    else:
        paths.parse(text)


CHECKS: dict[str, Callable[[str], object]] = {
    "tapes": check_tapes,
    "target": notations.target,
    "reference": notations.reference,
    "plug-in": _plug_in,
    "moved": notations.moved,
    "application": notations.application,
    "instance": _instance,
    "package": _package,
    "path": paths.parse,
    "metadata path": _metadata_path,
    "compare path": _compare_path,
    "renamed": _renamed,
    "redaction": _redaction,
    "condition": notations.condition,
    "filter": notations.filter_condition,
    "moment": notations.when,
    "share": notations.share,
    "allowance": notations.allowance,
}
"""By the name that `settings` gives the notation; each raises NotationError."""
