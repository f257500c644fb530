"""A service that logs to files replays like any other, and its log files stay as they are."""

from __future__ import annotations

from pathlib import Path

from autoplayback.equalizer.verdict import Verdict
from tests.player.service import Service

CODE = """
import logging, logging.handlers

log = logging.getLogger("svc")
log.setLevel(logging.INFO)
log.addHandler(logging.FileHandler("plain.log"))
log.addHandler(logging.FileHandler("late.log", delay=True))
log.addHandler(logging.handlers.RotatingFileHandler("rotating.log", maxBytes=40, backupCount=2))
log.addHandler(logging.handlers.TimedRotatingFileHandler("timed.log", when="s"))
log.addHandler(logging.handlers.WatchedFileHandler("watched.log"))

def load(key): return key
def send(value): pass

def operation(what):
    log.info("doing %s at length, so that files rotate", what)
    return load(what)
"""


def test_log_files_are_no_undeclared_output(tmp_path: Path) -> None:
    """Opened at import or late, plain or rotating: all equal, and nothing is added to them."""
    service = Service(tmp_path, CODE)
    service.record("import svc\nfor what in 'abc': svc.operation(what)")
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.log*")}
    assert before["plain.log"].count(b"doing") == 3
    assert [result.verdict for result in service.replay()] == [Verdict.EQUAL] * 3
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.log*")} == before
