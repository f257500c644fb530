"""What `check` found out, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autoplayback.reports.words import clean

_GROUPS = {"operation": "operations", "input": "inputs", "output": "outputs", "compare": "compare"}


def lines(findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line a target, grouped by role, and below it what to know; then how many are right."""
    for role, title in _GROUPS.items():
        group = [finding for finding in findings if finding["role"] == role]
        if group:
            yield title
        width = max((len(_called(finding)) for finding in group), default=0)
        for finding in group:
            yield from _finding(finding, min(width, 60))
    wrong = sum(1 for finding in findings if finding["error"])
    warned = sum(1 for finding in findings if finding["warnings"])
    yield f"{len(findings)} targets: {len(findings) - wrong} intercepted, {wrong} not, {warned} with a warning"


def _finding(finding: Mapping[str, Any], width: int) -> Iterator[str]:
    called = _called(finding)
    if finding["error"]:
        yield clean(f"  FAIL  {called}")
        place = f"{finding['place']}: " if finding["place"] else ""
        yield clean(f"        {place}{finding['error']}")
    elif finding.get("absent"):
        yield clean(f"  -     {called:<{width}}  not in this version of the library: {finding['absent']}")
    else:
        yield clean(f"  {'warn' if finding['warnings'] else 'ok  '}  {called:<{width}}  {finding['technique']}")
    matched = [name for name in finding["matched"] if name != finding["target"]]
    if matched and not finding["error"]:
        yield clean(f"        {', '.join(matched[:8])}{f', and {len(matched) - 8} more' if len(matched) > 8 else ''}")
    for warning in finding["warnings"]:
        yield clean(f"        {warning}")


def _called(finding: Mapping[str, Any]) -> str:
    if finding["name"] == finding["target"]:
        return str(finding["target"])
    return f"{finding['name']} = {finding['target']}"
