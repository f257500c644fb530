"""aiosqlite: connections and cursors are handles, like those of `sqlite3` which its threads have.

A thread of its own works for each connection, for whichever operation asks: what is asked there is the asking call's business.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from autoplayback.interception import handles
from autoplayback.presets import PresetTarget, _acts


class _NoQueue:
    """SQLAlchemy puts what changes a connection's isolation level straight into its thread's queue: there is none at replay."""

    def put_nowait(self, job: Any) -> None:
        job[0].set_result(None)


# `_connection` is SQLAlchemy's way to ask whether a connection is still open.
handles.absent["aiosqlite"] = {"_connection": True, "_conn": SimpleNamespace(), "_tx": _NoQueue()}

TARGETS = (PresetTarget("aiosqlite:connect", "aiosqlite.connect", handle=True, acts=_acts.sql),)
