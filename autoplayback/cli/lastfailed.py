"""`--last-failed`: which tapes did not pass when they were last replayed, kept beside the config."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoplayback.config.load import Configuration
    from autoplayback.studio.results import Result


def _memory(found: Configuration) -> Path:
    assert found.file is not None  # `replay` requires one
    return found.file.parent / ".autoplayback" / "last-failed.json"


def remembered(found: Configuration) -> list[str]:
    """The tapes that did not pass when they were last replayed."""
    try:
        known = json.loads(_memory(found).read_text(encoding="utf-8"))
        return [str(tape) for tape in known["tapes"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def remember(found: Configuration, results: list[Result], *, strict: bool) -> None:
    """Notes which of these did not pass; what is known of others stays. Where it can't be written, it isn't."""
    replayed = {result.tape for result in results}
    failed = [result.tape for result in results if not result.verdict.passes(strict=strict)]
    path = _memory(found)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(
            json.dumps({"tapes": [*(known for known in remembered(found) if known not in replayed), *failed]}), encoding="utf-8"
        )
        partial.replace(path)
