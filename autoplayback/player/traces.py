"""Tracebacks as the service's authors want them: their frames, none of ours."""

from __future__ import annotations

import traceback

from autoplayback.player.misses import OURS


def service_traceback(error: BaseException) -> str:
    """The traceback of an exception without our frames and the import system's; the exception itself is the last line."""
    kept = traceback.TracebackException.from_exception(error, capture_locals=False)
    seen: traceback.TracebackException | None = kept
    while seen is not None:
        frames = [
            frame
            for frame in seen.stack
            if not frame.filename.startswith((OURS, "<frozen", "<autoplayback")) and "importlib/__init__" not in frame.filename
        ]
        seen.stack = traceback.StackSummary.from_list(frames)
        seen = seen.__cause__ or seen.__context__
    return "".join(kept.format()).rstrip()
