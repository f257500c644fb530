"""The run as one HTML file: no network, nothing executed that comes from a tape, small enough to open at once.

A small index of all results and the details of those that aren't equal stand in the page as gzip in base64, inflated in the
browser when they are looked at. Script and style are ours; a content security policy with the script's hash lets nothing else
run, and the script builds every element by hand, never from markup.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from jinja2 import Environment, FileSystemLoader

from autoplayback import __version__
from autoplayback.equalizer.verdict import Verdict
from autoplayback.reports.groups import Group
from autoplayback.reports.remarks import remarks
from autoplayback.reports.words import CAUSES, clean, seconds
from autoplayback.studio.results import Result, dumped
from autoplayback.studio.tally import Summary

_TEMPLATES = Path(__file__).parent / "templates"
_LARGEST = 4_800_000
"""Bytes of the whole file."""
_BUDGET = 3_400_000
"""Bytes of compressed details in it; beyond it a tape keeps its reason."""
_INDEX_BUDGET = 2_500_000
"""Bytes of the compressed list of all results: where they don't suffice, reasons are cut shorter and shorter."""
_BLOCK = 24
"""Results compressed together: enough to share their words, few enough to inflate at a click."""
_DETAIL_LARGEST = 60_000
"""Characters of one result's line; a larger one is shown without its tree and timeline."""
_FIRST_OF_GROUP = 3


def write(stream: IO[str], results: Iterable[Result], summary: Summary, *, strict: bool = False) -> None:
    """Writes the page."""
    index = _Index()
    for result in results:
        index.add(result)
    listed = index.packed(summary, strict)
    blocks = index.blocks(min(_BUDGET, _LARGEST - len(listed) - 100_000))
    listed = index.packed(summary, strict)  # once more: each row knows now where its detail is
    script, style = _asset("report.js") + _asset("plots.js"), _asset("report.css")
    page = _template().render(
        title=_title(summary, strict),
        version=__version__,
        style=style,
        script=script,
        script_hash=_hash(script),
        style_hash=_hash(style),
        index=listed,
        blocks=blocks,
        summary=summary,
        took=seconds(summary.seconds) if summary.seconds else "",
        verdicts=[(verdict.value, summary.verdicts.get(verdict.value, 0)) for verdict in Verdict],
        groups=[(clean(group["title"]), group["count"]) for group in index.groups.values()][:200],
    )
    stream.write(page)


def _title(summary: Summary, strict: bool) -> str:
    bad = sum(count for verdict, count in summary.verdicts.items() if not Verdict(verdict).passes(strict=strict))
    if not summary.tapes:
        return "no tape was replayed"
    if bad:
        return f"{bad} of {summary.tapes} tapes {'does' if bad == 1 else 'do'}n't pass"
    tapes = "the tape passes" if summary.tapes == 1 else f"{summary.tapes} tapes pass"
    return tapes if summary.exit == 0 else f"{tapes}, but the run doesn't"


class _Index:
    """Everything the page lists without inflating a detail."""

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, Any]] = {}
        self._gathered: dict[str, Group] = {}
        self._rows: list[list[Any]] = []
        self._flags = ""
        self._operations: dict[str, int] = {}
        self._paths: dict[str, int] = {}
        self._details: list[tuple[int, int, str]] = []
        """(rank, row, JSON) of each result that isn't equal: the first of a group have rank 0."""

    def add(self, result: Result) -> None:
        """Adds a result's row, and its detail where it isn't equal."""
        self._flags = self._flags or result.rerun.partition(result.tape)[2]
        operation = self._operations.setdefault(result.operation, len(self._operations))
        group = -1
        rank = 0
        if result.verdict is not Verdict.EQUAL:
            found = self.groups.setdefault(
                result.signature,
                {
                    "number": len(self.groups),
                    "verdict": result.verdict.value,
                    "operation": operation,
                    "count": 0,
                },
            )
            gathered = self._gathered.setdefault(result.signature, Group(result))
            gathered.add(result)
            found["title"] = _headline(gathered)
            found["count"] = gathered.count
            group = found["number"]
            rank = 0 if found["count"] <= _FIRST_OF_GROUP else 1
        metadata = " ".join(f"{key}={value}" for key, value in result.metadata.items())[:160]
        metrics = [
            [
                self._paths.setdefault(reading.path, len(self._paths)),
                reading.recorded,
                reading.replayed,
                int(reading.improved) - int(reading.degraded),
            ]
            for reading in result.metrics[:8]
        ]
        row = [
            result.tape,
            group,
            operation,
            result.verdict.value,
            _short(result.recorded_seconds),
            _short(result.replayed_seconds),
            metadata,
            "" if result.verdict is Verdict.EQUAL else result.reason[:200],
            None,
            None,
            metrics,
            _cpu(result),
        ]
        if result.verdict is not Verdict.EQUAL:
            self._details.append((rank, len(self._rows), _line(result)))
        self._rows.append(row)

    def packed(self, summary: Summary, strict: bool) -> str:
        """The list, compressed; its texts are cut as short as its budget asks."""
        text = _packed(self.document(summary, strict))
        for longest in (80, 30, 8):
            if len(text) <= _INDEX_BUDGET:
                break
            for row in self._rows:
                row[6:8] = row[6][:longest], row[7][:longest]
            for group in self.groups.values():
                group["title"] = group["title"][: longest + 20]
            text = _packed(self.document(summary, strict))
        return text

    def blocks(self, budget: int) -> list[str]:
        """The details, compressed in blocks until the budget is spent; each row is told its block and place."""
        blocks: list[str] = []
        spent = 0
        self._details.sort(key=lambda entry: (entry[0], entry[1]))
        for start in range(0, len(self._details), _BLOCK):
            chosen = self._details[start : start + _BLOCK]
            block = _compressed("[" + ",".join(text for _, _, text in chosen) + "]")
            spent += len(block)
            if spent > budget:
                break
            for place, (_, row, _) in enumerate(chosen):
                self._rows[row][8:10] = [len(blocks), place]
            blocks.append(block)
        return blocks

    def document(self, summary: Summary, strict: bool) -> dict[str, Any]:
        """What the script reads first."""
        return {
            "verdicts": [
                {"name": v.value, "count": summary.verdicts.get(v.value, 0), "passes": v.passes(strict=strict)} for v in Verdict
            ],
            "operations": list(self._operations),
            "paths": list(self._paths),
            "groups": list(self.groups.values()),
            "rows": self._rows,
            "summary": summary.line(),
            "remarks": [[remark.label, remark.kind, remark.text, remark.part] for remark in remarks(summary)],
            "flags": self._flags,
            "causes": CAUSES,
        }


def _headline(group: Group) -> str:
    """What a group of failures is called."""
    result = group.first
    if result.misses:
        return result.misses[0].reason[:200]
    if result.differences and result.verdict is Verdict.DIFFERENT:
        places = list(dict.fromkeys(difference.at for difference in result.differences))
        return ", ".join(places[:3])[:200] + (f" and {len(places) - 3} more places" if len(places) > 3 else "")
    return group.reason[:200]


def _line(result: Result) -> str:
    document = result.line()
    document.pop("rules", None)
    text = dumped(document)
    if len(text) > _DETAIL_LARGEST:
        document.pop("detail", None)
        document["cut"] = (
            f"The tree and the timeline of this tape are left out here: {len(text):,} characters. The JSON lines have them."
        )
        document["differences"] = document["differences"][:30]
        text = dumped(document)
    return text


def _cpu(result: Result) -> list[float | None] | None:
    """The tape's CPU times on the base and on this code, where the run took them."""
    times = result.more.get("base", {}).get("cpu")
    return None if times is None else [_short(times["base"]), _short(times["head"])]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _packed(document: Any) -> str:
    return _compressed(dumped(document))


def _compressed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode("utf-8", "backslashreplace"), 9, mtime=0)).decode()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@lru_cache(maxsize=8)
def _asset(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _template() -> Any:
    return Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template(
        "report.html"
    )
