"""What a replay made is shown and compared like what was recorded, so it loses the same secrets."""

from __future__ import annotations

from pathlib import Path

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
