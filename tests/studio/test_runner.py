"""What a replay made is shown and compared like what was recorded: it loses the same secrets, and means the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoplayback.equalizer.verdict import Verdict
from tests.player.service import Service

CODE = """
def load(key): return key
def send(value): return value

def operation(after):
    yield b"api_to"
    yield b"ken=s3cr3t-Value-42&" + b"." * after
"""


def test_a_replay_loses_the_secrets_that_its_recording_lost(tmp_path: Path) -> None:
    """A stream's chunks may cut the name of one in two; the second one's length then stands between, perhaps as a letter."""
    service = Service(tmp_path, CODE)
    tapes = service.record("import svc\nfor after in range(40, 130, 7): list(svc.operation(after))")
    assert all(b"s3cr3t" not in b"".join(tape.outcome.items or ()) for tape in tapes)
    assert [result.verdict for result in service.replay(tapes)] == [Verdict.EQUAL] * 13


@pytest.mark.parametrize(
    ("recorded", "now", "verdict"),
    [
        ("load(source, to)", "load(to, source)", Verdict.DIVERGED),
        ("load(source, to)", "load(date, source, to=None)", Verdict.DIVERGED),
        ("send(to, text)", "send(text, to)", Verdict.DIFFERENT),
        ("load(source, to)", "load(base, to, date=None)", Verdict.EQUAL),
        ("send(to, text)", "send(whom, text, copy=None)", Verdict.EQUAL),
    ],
)
def test_what_is_passed_by_place_means_what_the_signature_says_now(
    tmp_path: Path, recorded: str, now: str, verdict: Verdict
) -> None:
    """Parameters that changed places while their callers stayed: the same bytes, another meaning. A new name is the old one."""
    code = """
def load(source, to): return 1.1
def send(to, text): return None

def operation():
    found = load("EUR", "USD")
    send("bob", "rates")
    return found
"""
    service = Service(tmp_path, code)
    service.record("import svc; svc.operation()")
    service.code(code.replace(recorded, now))
    assert [result.verdict for result in service.replay()] == [verdict]
