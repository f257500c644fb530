"""A swapped function is the same function to everyone who looks."""

from __future__ import annotations

import copy
import functools
import inspect
import multiprocessing
import pickle
import typing
from concurrent.futures import ProcessPoolExecutor

import pytest

SOURCE = '''
from __future__ import annotations
import functools
def f(a: int, b: str = "x", *args: float, c: bool = True, **rest: None) -> list[int]:
    """Says what it does."""
    return [a, b, args, c, rest]
async def co(a, b=1): return a
def gen(a, b=1):
    yield a
async def agen(a, b=1):
    yield a
def closure():
    secret = 5
    class C:
        def m(self): return secret, __class__
    def g(x): return secret + x
    return C, g
C, g = closure()
class Base:
    def who(self): return "base"
class Child(Base):
    def who(self): return "child of " + super().who()
f.note = "mine"
'''


@pytest.fixture
def module(service, intercept):
    m = service.module(SOURCE)
    before = {
        name: (inspect.signature(getattr(m, name)), inspect.getfullargspec(getattr(m, name)), inspect.getsource(getattr(m, name)))
        for name in ("f", "co", "gen", "agen", "g")
    }
    hints = typing.get_type_hints(m.f)
    intercept(*(f"{m.__name__}:{name}" for name in ("f", "co", "gen", "agen", "g", "C.m", "Child.who")))
    m.before, m.hints = before, hints
    return m


def test_it_looks_the_same(module):
    """Signature, argument spec, source, hints, doc, defaults, kind, name."""
    for name, (signature, spec, source) in module.before.items():
        function = getattr(module, name)
        assert inspect.signature(function) == signature
        assert inspect.getfullargspec(function) == spec
        assert inspect.getsource(function) == source
        assert function.__code__.co_name == name
    f = module.f
    assert typing.get_type_hints(f) == module.hints
    assert (f.__doc__, f.__defaults__, f.__kwdefaults__, f.note, f.__name__, f.__qualname__) == (
        "Says what it does.",
        ("x",),
        {"c": True},
        "mine",
        "f",
        "f",
    )
    assert [
        inspect.iscoroutinefunction(module.co),
        inspect.isgeneratorfunction(module.gen),
        inspect.isasyncgenfunction(module.agen),
    ] == [True] * 3
    assert not inspect.iscoroutinefunction(f)
    assert f(1, "b", 2.0, c=False, d=None) == [1, "b", (2.0,), False, {"d": None}]


def test_closures_and_super_work(module, notebook):
    """Cells and `__class__` stay with the original code."""
    with notebook.open():
        assert module.g(1) == 6
        assert module.C().m() == (5, module.C)
        assert module.Child().who() == "child of base"
    assert len(notebook.calls) == 3


def test_pickle_copy_and_weak_use(module):
    """By name, as every function; a copy is the function."""
    assert pickle.loads(pickle.dumps(module.f)) is module.f
    assert copy.deepcopy([module.f])[0] is module.f
    assert pickle.loads(pickle.dumps(functools.partial(module.f, 1)))() == module.f(1)
    assert hash(module.f) == hash(module.f)


def test_by_value_pickle_goes_without_us(module):
    """cloudpickle takes code apart; what arrives is the plain function."""
    cloudpickle = pytest.importorskip("cloudpickle")
    import sys

    cloudpickle.register_pickle_by_value(sys.modules[module.__name__])
    try:
        copied = pickle.loads(cloudpickle.dumps(module.f))
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[module.__name__])
    assert copied is not module.f
    assert copied(1) == module.f(1)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_takes_it(service, intercept, method):
    """A wrapped function is sent to other processes, however they start."""
    m = service.module("def double(x): return 2 * x")
    intercept(f"{m.__name__}:double")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        assert pool.submit(m.double, 4).result(60) == 8
