"""numpy's shared generator replays the recorded numbers; a service that seeds it itself gets what it always got."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autoplayback.equalizer.verdict import Verdict
from tests.player.service import Service

CODE = """
import numpy, pandas
import numpy as np
from numpy.random import rand, shuffle, default_rng

def load(key): return key
def send(value): return value

def operation():
    items = list(range(10))
    np.random.shuffle(items)
    send(rand(2).tolist())
    return [items, np.random.normal(), np.random.choice(100, 5).tolist(), *OWN(), numpy.random.mtrand._rand.randint(1000),
            pandas.Series(range(50)).sample(5).tolist(), np.random.randn(), np.random.bytes(3)]

OWN = lambda: [default_rng().random(), np.random.RandomState().rand()]
"""
RUN = "import svc, threading\nfor _ in range(3): svc.operation()\nthread = threading.Thread(target=svc.operation); thread.start()"


@pytest.mark.parametrize("seeding", ["", "np.random.seed(7)", "np.random.set_state(np.random.RandomState(3).get_state())"])
def test_the_recorded_numbers_are_drawn_again(tmp_path: Path, seeding: str) -> None:
    """From-imports, other libraries' ways to it and unseeded generators of one's own."""
    service = Service(tmp_path, CODE.replace("def load", f"{seeding}\ndef load"))
    tapes = service.record(RUN)
    assert len(tapes) == 4
    assert len({tape.outcome.value for tape in tapes}) == 4
    for result in service.replay(tapes):
        assert result.verdict is Verdict.EQUAL, result.differences


def test_seeds_inside_the_operation(tmp_path: Path) -> None:
    """A seed of the operation's own, and what was drawn before it."""
    service = Service(tmp_path, CODE.replace("items = list", "before = rand(); np.random.seed(5); send(before); items = list"))
    for result in service.replay(service.record(RUN)):
        assert result.verdict is Verdict.EQUAL, result.differences


SEEDED = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
np.random.seed(42)
import svc
svc.OWN = list
print([svc.operation() for _ in range(3)], np.random.rand(), np.random.get_state()[2])
"""


def test_a_seeded_service_gets_its_own_numbers(tmp_path: Path) -> None:
    """The same output with recording and without, inside operations and outside."""
    service = Service(tmp_path, CODE)
    script = SEEDED.format(folder=str(tmp_path))
    plain = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    hook = {"PYTHONPATH": f"{service.lane().env['PYTHONPATH']}", "AUTOPLAYBACK": "record"}
    recorded = service.run(sys.executable, "-c", f"import autoplayback.auto\n{script}", env=hook)
    assert recorded.stdout == plain.stdout, recorded.stderr
    assert len(service.tapes()) == 3


THREADS = """
import autoplayback.auto, sys, threading
sys.setswitchinterval(1e-6)
sys.path.insert(0, {folder!r})
import numpy as np, svc
np.random.seed(42)
threads = [threading.Thread(target=lambda: [svc.operation() for _ in range(300)]) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(svc.DRAWN), len(set(svc.DRAWN)))
"""


def test_recording_threads_of_a_seeded_service_never_draw_a_number_twice(tmp_path: Path) -> None:
    """The generator is everybody's: to note its state must not put it back to what it was a moment ago."""
    service = Service(
        tmp_path,
        "import numpy as np\nDRAWN = []\ndef load(key): return key\ndef send(value): return value\n"
        "def operation(): DRAWN.append(np.random.random_sample())\n",
    )
    script = THREADS.format(folder=str(tmp_path))
    hook = {"PYTHONPATH": f"{service.lane().env['PYTHONPATH']}", "AUTOPLAYBACK": "record"}
    done = service.run(sys.executable, "-c", script, env=hook)
    assert done.stdout.split() == ["1200", "1200"], done.stderr
