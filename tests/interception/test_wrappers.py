"""The four templates: what they tell the interceptor, and that the caller can't tell them from the original."""

from __future__ import annotations

import asyncio
import contextlib
import dis
import gc
import inspect
import logging
import operator
import sys
import traceback
import warnings
import weakref

import pytest

from autoplayback.interception.context import Muted, current
from autoplayback.interception.filling import standalone
from autoplayback.interception.protocol import Answer, ResultCodec
from autoplayback.interception.target import Role, Target
from autoplayback.interception.wrappers import FILENAME, TEMPLATES, Site, maker


def test_templates_name_nothing_global():
    """They run with any module's globals, where even `len` may mean something else."""
    for template in (*TEMPLATES.values(), maker):
        assert not [i for i in dis.get_instructions(template) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")]


def test_a_module_may_shadow_every_builtin(service, intercept, notebook):
    """The wrapper doesn't look into the module it runs in."""
    m = service.module("""
        len = BaseException = StopIteration = isinstance = None
        def f(x): return x
        def g(n):
            yield n
    """)
    intercept(f"{m.__name__}:f", f"{m.__name__}:g")
    with notebook.open() as page:
        assert (m.f(1), list(m.g(2))) == (1, [2])
    assert [call.value for call in page.calls] == [1, None]


class Faulty(ResultCodec):
    """Reads what this version of its library hasn't got."""

    def __init__(self, where):
        self.where = where

    def concerns(self, receiver):
        return self._tried("concerns")

    def begun(self, passage, receiver, args, kwargs):
        self._tried("begun")
        return passage

    def opened(self, result, passage):
        self._tried("opened")
        return passage.returned(result)

    def _tried(self, where):
        if where == self.where:
            raise AttributeError("no such thing")
        return True


@pytest.mark.parametrize("where", ["concerns", "begun", "opened"])
def test_a_fault_of_a_codec_is_not_the_services(notebook, capfd, where):
    """The original runs once and its result is the caller's, whatever a preset stumbles over."""
    ran = []
    target = Target(Role.INPUT, f"lib.{where}", "lib", "ask", codec=Faulty(where))
    site = Site(target, lambda *args: ran.append(args), notebook)
    with notebook.open():
        assert standalone(site, "ask")(1) is None
    assert ran == [(1,)]
    assert f"the codec of lib.{where}: AttributeError: no such thing" in capfd.readouterr().err


def test_result_and_exception_are_the_very_objects(service, intercept, notebook):
    """Identity reaches the caller, and the original runs once."""
    m = service.module("""
        result = object()
        error = KeyError("no")
        ran = []
        def f(fail):
            ran.append(fail)
            if fail: raise error
            return result
    """)
    intercept(f"{m.__name__}:f")
    with notebook.open() as page:
        assert m.f(False) is m.result
        with pytest.raises(KeyError) as caught:
            m.f(True)
    assert caught.value is m.error
    assert m.ran == [False, True]
    assert [(call.end, call.value) for call in page.calls] == [("returned", m.result), ("raised", m.error)]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
def test_base_exceptions_pass_and_current_is_put_back(service, intercept, notebook, error):
    """Whatever ends a call, the context afterwards is the one before."""
    m = service.module("def f(error): raise error")
    intercept(f"{m.__name__}:f")
    with notebook.open() as page:
        with pytest.raises(type(error)):
            m.f(error)
        assert current.get() is page
    assert page.calls[0].value is error


def test_only_the_outermost_call_is_heard(service, intercept, notebook):
    """I/O inside I/O is the outer call's business; recursion too."""
    m = service.module("""
        def outer(n): return inner(n) + 1
        def inner(n): return 0 if n == 0 else inner(n - 1) + 1
    """)
    intercept(f"{m.__name__}:outer", f"{m.__name__}:inner")
    with notebook.open() as page:
        assert m.outer(3) == 4
        assert m.inner(3) == 3
    assert [call.name.partition(":")[2] for call in page.calls] == ["outer", "inner"]


def test_wrong_arguments_raise_the_original_type_error(service, intercept, notebook):
    """The message names the function as it always did."""
    m = service.module("""
        def f(a, *, b): return a
        class C:
            def m(self, a): return a
    """)
    name = m.__name__
    plain = []
    instance = m.C()
    wrong = (m.f, instance.m, m.C.m)
    for call in wrong:
        with pytest.raises(TypeError) as caught:
            call()
        plain.append(str(caught.value))
    intercept(f"{name}:f", f"{name}:C.m")
    with notebook.open():
        for call, expected in zip(wrong, plain, strict=True):
            with pytest.raises(TypeError) as caught:
                call()
            assert str(caught.value) == expected


SHAPES = """
import functools
async def coroutine(a, b=1, /, c=2, *, d): return a
def generator(a, b=1, /, c=2, *, d):
    yield a
async def async_generator(a, b=1, /, c=2, *, d):
    yield a
class C:
    async def coroutine(self, a): return a
    def generator(self, a, *rest, **named):
        yield a
    @classmethod
    async def made(cls, a=[]): return a
    @staticmethod
    async def plain(*, a): return a
async def spread(*args, a, **kwargs): return a
def closing(x):
    async def closed(a): return a, x
    return closed
closed = closing(1)
part = functools.partial(coroutine, 1, d=3)
"""
WRONG = [
    ("coroutine", [((), {}), ((1,), {}), ((1, 2, 3, 4), {"d": 1}), ((1,), {"d": 1, "e": 2}), ((1,), {"d": 1, "b": 2})]),
    ("generator", [((), {}), ((1,), {}), ((1,), {"d": 1, "b": 2}), ((), {"a": 1, "d": 2})]),
    ("async_generator", [((), {}), ((1, 2, 3, 4), {"d": 1}), ((1, 2, 3), {"c": 1, "d": 1})]),
    ("C.coroutine", [((), {}), ((1,), {}), ((1, 2, 3), {}), ((1, 2), {"a": 2})]),
    ("C.generator", [((), {}), ((1,), {}), ((1, 2), {"a": 2})]),
    ("C.made", [((1, 2), {}), ((), {"x": 1})]),
    ("C.plain", [((1,), {}), ((), {})]),
    ("spread", [((1,), {}), ((), {})]),
    ("closed", [((), {}), ((1, 2), {})]),
    ("part", [((1, 2, 3), {}), ((), {"e": 1})]),
]


@pytest.mark.parametrize("inside", [True, False])
def test_coroutines_and_generators_refuse_wrong_arguments_at_the_call(service, intercept, notebook, inside):
    """In Python's own words, before anything is awaited or read, with a line of ours, which says so, after the caller's."""
    plain, m = service.module(SHAPES), service.module(SHAPES)
    intercept(*(f"{m.__name__}:{name}" for name, _ in WRONG))

    def refused(module):
        said = []
        for name, wrong in WRONG:
            function = operator.attrgetter(name)(module)
            for args, kwargs in wrong:
                with pytest.raises(TypeError) as caught:
                    function(*args, **kwargs)
                said.append(str(caught.value))
                ours = [frame for frame in traceback.extract_tb(caught.value.__traceback__) if frame.filename != __file__]
                assert len(ours) <= (3 if name == "part" else 1)  # behind wrapt there are more
                assert {frame.filename for frame in ours} <= {FILENAME}
        return said

    if inside:
        with notebook.open() as page:
            assert refused(m) == refused(plain)
        assert page.calls == []
    else:
        assert refused(m) == refused(plain)


@pytest.mark.parametrize("inside", [True, False])
def test_coroutines_and_generators_stay_of_their_kind(service, intercept, notebook, inside):
    """For all who ask, before and after; what a call makes has the function's name and runs nothing yet."""
    m = service.module(
        SHAPES
        + """
import types
ran = []
@types.coroutine
def old(a):
    ran.append(a)
    return (yield from [])
async def awaits(a): return await old(a)
"""
    )
    names = [name for name, _ in WRONG if name != "part"] + ["old"]
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction, asyncio.iscoroutinefunction)

    def seen():
        functions = [operator.attrgetter(name)(m) for name in names]
        return [[kind(function) for kind in kinds] + [inspect.signature(function)] for function in functions]

    before = seen()
    intercept(*(f"{m.__name__}:{name}" for name, _ in WRONG), f"{m.__name__}:old")
    assert seen() == before
    with notebook.open() if inside else contextlib.nullcontext():
        made = [m.coroutine(1, d=2), m.generator(1, d=2), m.async_generator(1, d=2), m.C().coroutine(1)]
        assert [thing.__qualname__ for thing in made] == ["coroutine", "generator", "async_generator", "C.coroutine"]
        assert [thing.__name__ for thing in made] == ["coroutine", "generator", "async_generator", "coroutine"]
        coroutine, generator, async_generator, _ = made
        assert inspect.iscoroutine(coroutine)
        assert inspect.isgenerator(generator)
        assert inspect.isasyncgen(async_generator)
        old = m.old(1)
        assert inspect.isawaitable(old)
        assert m.ran == []
        old.close()
        assert asyncio.run(m.awaits(2)) is None
        assert m.ran == [2]
        for thing in made[:2] + made[3:]:
            thing.close()


def test_a_coroutine_that_nobody_awaits_is_warned_of_once(service, intercept, notebook):
    """By its own name, as ever."""
    m = service.module("async def f(a): return a")
    intercept(f"{m.__name__}:f")
    with notebook.open(), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        m.f(1)
        gc.collect()
    assert [str(w.message) for w in seen] == ["coroutine 'f' was never awaited"]


def test_coroutine_runs_at_await_and_cancels(service, intercept, notebook):
    """A coroutine that is never awaited was never called; a cancelled one ends with the cancellation."""
    m = service.module("""
        import asyncio
        async def f(seconds):
            await asyncio.sleep(seconds)
            return seconds
    """)
    intercept(f"{m.__name__}:f")
    assert inspect.iscoroutinefunction(m.f)

    async def story():
        m.f(0).close()
        assert notebook.calls == []
        assert await m.f(0) == 0
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(m.f(60), 0.01)
        assert current.get() is not None

    with notebook.open():
        asyncio.run(story())
    assert [(call.end, type(call.value).__name__) for call in notebook.calls] == [
        ("returned", "int"),
        ("raised", "CancelledError"),
    ]


def test_generator_notes_items_as_they_pass(service, intercept, notebook):
    """Nothing is read ahead; send, throw, close and the return value work as on the original."""
    m = service.module("""
        read = []
        def g(n):
            got = []
            for i in range(n):
                read.append(i)
                try:
                    got.append((yield i))
                except ValueError as error:
                    got.append(error)
            return got
    """)
    intercept(f"{m.__name__}:g")
    error = ValueError("thrown")
    with notebook.open() as page:
        stream = m.g(3)
        assert inspect.isgenerator(stream)
        assert m.read == []
        assert next(stream) == 0
        assert m.read == [0]
        assert current.get() is page, "nothing of ours is left in the consumer's context"
        assert stream.send("a") == 1
        assert stream.throw(error) == 2
        with pytest.raises(StopIteration) as end:
            stream.send("b")
    assert end.value.value == ["a", error, "b"]
    (call,) = page.calls
    assert (call.items, call.end, call.value, call.ended) == ([0, 1, 2], "returned", ["a", error, "b"], 1)


def test_generator_closed_early(service, intercept, notebook):
    """The original's `finally` runs when its consumer stops, under the same exception."""
    m = service.module("""
        seen = []
        def g():
            try:
                yield 1
                yield 2
            except GeneratorExit as error:
                seen.append(error)
                raise
            finally:
                seen.append("finally")
    """)
    intercept(f"{m.__name__}:g")
    with notebook.open() as page:
        for _ in m.g():
            break
        gc.collect()
    assert m.seen[1] == "finally"
    assert (page.calls[0].items, page.calls[0].end) == ([1], "closed")


def test_generator_that_ignores_close_is_told(service, intercept, notebook):
    """Python's own RuntimeError comes as before."""
    m = service.module("""
        def g():
            try:
                yield
            except GeneratorExit:
                yield
    """)
    intercept(f"{m.__name__}:g")
    with notebook.open():
        stream = m.g()
        next(stream)
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            stream.close()


def test_generator_that_raises_in_the_middle(service, intercept, notebook):
    """Items until then, and the very exception."""
    m = service.module("""
        error = OSError("reset")
        def g():
            yield 1
            raise error
    """)
    intercept(f"{m.__name__}:g")
    with notebook.open() as page:
        stream = m.g()
        assert next(stream) == 1
        with pytest.raises(OSError) as caught:
            next(stream)
    assert caught.value is m.error
    assert (page.calls[0].items, page.calls[0].end, page.calls[0].value) == ([1], "raised", m.error)


def test_generator_may_wander_between_contexts(service, intercept, notebook):
    """Made in one operation and read on in another thread's empty context: no error, and its items stay its own."""
    import threading

    m = service.module("def g():\n    yield 1\n    yield 2\n    yield 3")
    intercept(f"{m.__name__}:g")
    with notebook.open() as page:
        stream = m.g()
        next(stream)
    read = []
    thread = threading.Thread(target=lambda: read.extend(stream))
    thread.start()
    thread.join()
    assert read == [2, 3]
    assert page.calls[0].items == [1, 2, 3]


def test_async_generator_with_asend_athrow_and_aclose(service, intercept, notebook):
    """The asynchronous protocol passes through whole."""
    m = service.module("""
        got = []
        async def g(n):
            try:
                for i in range(n):
                    try:
                        got.append((yield i))
                    except ValueError as error:
                        got.append(error)
            finally:
                got.append("finally")
    """)
    intercept(f"{m.__name__}:g")
    error = ValueError()

    async def story():
        assert inspect.isasyncgenfunction(m.g)
        stream = m.g(5)
        assert await anext(stream) == 0
        assert await stream.asend("a") == 1
        assert await stream.athrow(error) == 2
        await stream.aclose()
        assert [item async for item in m.g(2)] == [0, 1]

    with notebook.open() as page:
        asyncio.run(story())
    assert m.got == ["a", error, "finally", None, None, "finally"]
    assert [(call.items, call.end) for call in page.calls] == [([0, 1, 2], "closed"), ([0, 1], "returned")]


def test_nothing_is_kept_alive(service, intercept, notebook):
    """No reference to arguments, results or exceptions stays behind a call, and no cycle needs the collector."""
    m = service.module("""
        class Thing: pass
        def f(x): raise ValueError(x)
        def g(x):
            try:
                yield x
            except ValueError:
                raise KeyError from None
    """)

    class Deaf:
        outside = False

        def call(self, *_):
            return Passage()

    class Passage:
        answer = None

        def __init__(self):
            self.scope = Muted(current.get())

        def returned(self, value):
            return value

        yielded = returned

        def raised(self, error): ...
        def ended(self, *_, **__): ...

    intercept(f"{m.__name__}:f", f"{m.__name__}:g", interceptor=Deaf())
    gc.disable()
    try:
        with notebook.open():
            thing = m.Thing()
            alive = weakref.ref(thing)
            try:
                m.f(thing)
            except ValueError:
                pass
            stream = m.g(thing)
            next(stream)
            try:
                stream.throw(ValueError())
            except KeyError:
                pass
            del thing, stream
            assert alive() is None
    finally:
        gc.enable()


def test_warnings_and_log_lines_name_the_caller(service, intercept, notebook, caplog):
    """`stacklevel=2` means the caller of the function, with us or without."""
    m = service.module("""
        import logging, warnings
        import functools
        def f():
            warnings.warn("old", DeprecationWarning, stacklevel=2)
            logging.getLogger("x").warning("from", stacklevel=2)
        @functools.lru_cache
        def cached():
            warnings.warn("old", DeprecationWarning, stacklevel=2)
            logging.getLogger("x").warning("from", stacklevel=2)
        class Maker:
            def __init__(self):
                warnings.warn("old", DeprecationWarning, stacklevel=2)
                logging.getLogger("x").warning("from", stacklevel=2)
            def method(self):
                warnings.warn("old", DeprecationWarning, stacklevel=2)
                logging.getLogger("x").warning("from", stacklevel=2)
        part = functools.partial(f)
    """)
    intercept(*(f"{m.__name__}:{name}" for name in ("f", "cached", "part")))
    intercept(f"{m.__name__}:Maker", handle=True)
    with notebook.open(), warnings.catch_warnings(record=True) as seen, caplog.at_level(logging.WARNING):
        warnings.simplefilter("always")
        for call in (m.f, m.cached, m.part, m.Maker, m.Maker().method):
            call()
    assert [w.filename for w in seen] == [__file__] * 6
    assert [record.filename for record in caplog.records] == ["test_wrappers.py"] * 6


def test_tracebacks_show_one_line_of_ours_at_most(service, intercept, notebook):
    """The service's frames are all there; ours is one, and says what it is."""
    m = service.module("""
        def f(): return inner()
        def inner(): raise ValueError("here")
    """)
    intercept(f"{m.__name__}:f")
    with notebook.open(), pytest.raises(ValueError) as caught:
        m.f()
    frames = traceback.extract_tb(caught.value.__traceback__)
    ours = [frame for frame in frames if "autoplayback" in frame.filename]
    assert len(ours) == 1
    assert [frame.name for frame in frames][-2:] == ["f", "inner"]


def test_a_call_as_deep_as_the_recursion_limit(service, intercept, notebook):
    """A recursion which fits without us fits with us."""
    m = service.module("""
        def f(n): return 0 if n == 0 else 1 + f(n - 1)
    """)
    depth = sys.getrecursionlimit() - len(inspect.stack()) - 50
    assert m.f(depth) == depth
    intercept(f"{m.__name__}:f")
    assert m.f(depth) == depth
    with notebook.open() as page:
        assert m.f(depth) == depth
    assert len(page.calls) == 1


class _Answering:
    """A player in miniature: one answer for everything."""

    outside = True

    def __init__(self, answer):
        self._answer = answer

    def call(self, *_):
        return self

    @property
    def answer(self):
        return self._answer

    scope = None


def test_answers_are_given_in_place_of_the_original(service, intercept):
    """Each shape gives values, errors and items in its own way, also outside operations."""
    m = service.module("""
        def f(): 1 / 0
        async def c(): 1 / 0
        def g():
            1 / 0
            yield
        async def a():
            1 / 0
            yield
    """)
    answer = Answer(value=5)
    names = [f"{m.__name__}:{name}" for name in "fcga"]
    intercept(*names, interceptor=_Answering(answer))
    assert m.f() == 5
    assert asyncio.run(m.c()) == 5
    answer.items, answer.value = [1, 2], "end"

    def collect():
        return (yield from m.g())

    stream = collect()
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(StopIteration) as end:
        next(stream)
    assert end.value.value == "end"

    async def read():
        return [item async for item in m.a()]

    assert asyncio.run(read()) == [1, 2]
    answer.items, answer.error = None, LookupError("recorded")
    with pytest.raises(LookupError):
        m.f()
    with pytest.raises(LookupError):
        asyncio.run(m.c())
