"""`random` inside an operation draws from the operation's own generator, however its functions were imported."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import inspect, pickle, random
known = inspect.signature(random.Random.seed)
from random import choice, randint, shuffle, gauss, uniform, sample
from autoplayback.interception import entropy
from autoplayback.interception.context import Scope, current
entropy.install()
entropy.install()

def draw():
    items = list(range(10)); shuffle(items)
    return [random.random(), choice("abcdef"), randint(1, 100), items, gauss(0, 1), gauss(0, 1), uniform(1, 2),
            sample(range(99), 3), random.getrandbits(70), random.randbytes(4), random.betavariate(1, 2)]

def own():
    return [random.Random().random(), random.Random(4).random()]

def inside(seed, draw=draw):
    token = current.set(Scope(seed))
    try: return draw()
    finally: current.reset(token)

random.seed(5); outside = draw()
random.seed(5); a, b = inside(1), inside(1)
assert a == b and a != inside(2)
assert inside(1, own) == inside(1, own) != inside(2, own)
assert draw() == outside, "what happens inside leaves the service's own generator alone"
assert own() != own() and own()[1] == inside(1, own)[1]
token = current.set(Scope(3)); random.seed(8); seeded = draw(); random.seed(8); assert draw() == seeded; current.reset(token)
closed = Scope(1); closed.closed = True
random.seed(5); token = current.set(closed); assert draw() == outside; current.reset(token)
assert isinstance(random._inst, random.Random) and random.Random(4).random() == random.Random(4).random()
assert pickle.loads(pickle.dumps(random.Random.seed)) is random.Random.seed and inspect.signature(random.Random.seed) == known
"""


def test_each_operation_has_its_own_generator() -> None:
    """Same seed, same draws; other operations and the code outside aren't touched."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
