"""Tokens drawn inside an operation are on no tape, and are followed wherever they go all the same."""

from __future__ import annotations

from pathlib import Path

from autoplayback.equalizer.verdict import Verdict
from autoplayback.tape import payload
from tests.player.service import Service

CODE = """
import hashlib, secrets
from secrets import token_urlsafe
DRAWN = []
def load(key): return {"key": key}
def send(value): return value
def operation(user):
    session, reset = secrets.token_hex(16), token_urlsafe()
    DRAWN.extend([session, reset])
    load(f"session:{session}")
    send({"to": user, "link": f"https://x.test/reset?t={reset}"})
    return {"session_token": session, "id": session, "reset": reset}
"""


def test_drawn_tokens_are_equal_wherever_they_stand(tmp_path: Path) -> None:
    """In results, in what inputs are asked and outputs sent; another token in the place of one is different."""
    service = Service(tmp_path, CODE)
    script = "import svc\nfor user in 'ab': svc.operation(user)\nopen('drawn', 'w').write(' '.join(svc.DRAWN))"
    tapes = service.record(script)
    drawn = (tmp_path / "drawn").read_text().split()
    assert len(set(drawn)) == 4
    for tape in tapes:
        stored = payload.dump(tape)
        assert not any(token.encode() in stored for token in drawn)
    for result in service.replay():
        assert result.verdict is Verdict.EQUAL, result
    service.code(CODE.replace('"id": session', '"id": reset'))
    assert [result.verdict for result in service.replay()] == [Verdict.DIFFERENT] * 2
    service.code(CODE.replace("load(f\"session:{session}\")", "load(f\"session:{reset}\")"))
    assert [result.verdict for result in service.replay()] == [Verdict.DIVERGED] * 2


SUFFIX = """
import secrets
def load(key): return {"key": key}
def send(value): return value
def operation(name):
    suffix = secrets.token_hex(2)
    load(f"{name}-{suffix}")
    return {"name": f"{name}-{suffix}", "long": secrets.token_hex(4)}
"""


def test_a_suffix_too_short_to_be_followed_is_the_recorded_one(tmp_path: Path) -> None:
    """Four hexadecimal digits behind a name are no secret, and would be found in texts that they have nothing to do with."""
    service = Service(tmp_path, SUFFIX)
    tapes = service.record("import svc\nfor _ in range(3): svc.operation('pod')")
    assert [result.verdict for result in service.replay(tapes)] == [Verdict.EQUAL] * 3
    service.code(SUFFIX.replace('load(f"{name}-{suffix}")', 'load(f"{name}+{suffix}")'))
    assert [result.verdict for result in service.replay(tapes)] == [Verdict.DIVERGED] * 3
