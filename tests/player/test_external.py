"""Objects made before the operation, as it finds them: known by what made them, whose secrets no tape has."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoplayback.equalizer.verdict import Verdict
from autoplayback.tape import payload
from tests.player.service import Service

CONFIG = """
service: svc
operations: [{target: "svc:operation"}]
inputs: [{target: "db:connect", returns: handle}]
"""
DRIVER = """
class Connection:
    def __init__(self, *made): self.made = made
    def get(self, key): return [key, self.made[0]]

def connect(host, user="", password="", port=5432, **options): return Connection(host, user)
"""
SERVICE = """
import db
OTHER = db.connect("other", "ann", "s3cr3t-Value-43")
CONNECTION = db.connect({})
def operation(key): return CONNECTION.get(key)
"""


@pytest.mark.parametrize(
    "made",
    [
        "'h', 'ann', 's3cr3t-Value-42'",
        "'h', 'ann', 's3cr3t-Value-42', 1, more={1: 2}",
        "'h', 'ann', password='s3cr3t-Value-42'",
        "'h', 'ann', ['s3cr3t-Value-42'] * 2, None, hosts=HOSTS, again=HOSTS",
        "'h'",
    ],
)
def test_a_connection_made_at_import_is_found_and_its_password_on_no_tape(tmp_path: Path, made: str) -> None:
    """Given by name or by position, which nothing on the tape says the meaning of."""
    service = Service(tmp_path, SERVICE.format(made).replace("CONN", "HOSTS = ['a']\nCONN", 1), CONFIG)
    service.code(DRIVER, "db")
    tapes = service.record("import svc\nfor key in range(2): svc.operation(key)")
    assert len(tapes) == 2
    assert not any(b"s3cr3t" in payload.dump(tape) for tape in tapes)
    assert [result.verdict for result in service.replay(tapes)] == [Verdict.EQUAL] * 2
    service.code(SERVICE.format("'elsewhere', 'ann', 's3cr3t-Value-42'"))
    assert [result.verdict for result in service.replay(tapes)] == [Verdict.DIVERGED] * 2
