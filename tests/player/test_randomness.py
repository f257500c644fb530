"""The system's randomness at replay follows the tape, however many tapes a worker plays."""

from __future__ import annotations

import sys
from pathlib import Path

from autoplayback.tape.values import inspect
from tests.player.service import Service

SCRIPT = """
import sys
from types import SimpleNamespace
from autoplayback.player import randomness
real = sys.modules["os"].urandom
randomness.install()
from os import urandom
import os, random, secrets, uuid
assert len(urandom(5)) == 5
def draw():
    return [urandom(4), os.getrandom(3), random.Random().random(), secrets.token_hex(4), random.SystemRandom().random(),
            uuid.uuid4()]
seen = []
for seed in [*range(1500), 0]:
    randomness.freeze(SimpleNamespace(seed=seed, calls=()))
    if seed < 2: seen.append(draw())
random.Random(random.Random().random())
assert seen[0] == seen[2] != seen[1], seen
"""


def test_thousands_of_tapes_in_one_process() -> None:
    """Each tape has its own bytes, the same again; what is put in place for them doesn't add up."""
    import subprocess

    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_function_taken_from_its_module_draws_the_same(tmp_path: Path) -> None:
    """`from os import urandom` in the service."""
    service = Service(
        tmp_path,
        """
        from os import urandom
        def load(key): return key
        def send(value): pass
        def operation(): return [urandom(8), urandom(8)]
        """,
    )
    [tape] = service.record("import svc; svc.operation()")
    drawn = {repr(inspect(played.replay.outcome.value)) for played in service.play([tape] * 3) if played.replay}
    assert len(drawn) == 1
