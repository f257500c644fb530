"""Every kind of target is heard, and stays what it was for everybody else."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle

import pytest

from tests.interception.conftest import operation


def heard(notebook):
    """(name after the colon, args, value) of each call."""
    return [(call.name.partition(":")[2], call.args, call.value) for call in notebook.calls]


def test_methods_of_every_kind(service, intercept, notebook):
    """Receivers are told apart from arguments; static and class methods, properties and cached properties too."""
    m = service.module("""
        import functools
        class Repo:
            def load(self, key): return key
            async def fetch(self, key): return key
            @staticmethod
            def parse(text): return text
            @classmethod
            def make(cls, n): return n
            @property
            def size(self): return 7
            @size.setter
            def size(self, value): self.was_set = value
            @functools.cached_property
            def total(self): return 8
            class Inner:
                def deep(self): return 9
            def _private(self): return 0
            def __len__(self): return 3
    """)
    intercept(f"{m.__name__}:Repo.*", f"{m.__name__}:Repo.Inner.deep")
    repo = m.Repo()
    with notebook.open() as page:
        assert (repo.load(1), asyncio.run(repo.fetch(2)), m.Repo.parse("t"), repo.make(4), repo.size) == (1, 2, "t", 4, 7)
        assert (repo.total, repo.total, m.Repo.Inner().deep(), len(repo), repo._private()) == (8, 8, 9, 3, 0)
        repo.size = 5
    assert repo.was_set == 5
    assert heard(notebook) == [
        ("Repo.load", (1,), 1),
        ("Repo.fetch", (2,), 2),
        ("Repo.parse", ("t",), "t"),
        ("Repo.make", (4,), 4),
        ("Repo.size", (), 7),
        ("Repo.total", (), 8),
        ("Repo.Inner.deep", (), 9),
    ]
    assert [call.receiver for call in page.calls[:4]] == [repo, repo, None, m.Repo]
    assert [name for name, _ in page.calls[0].target.parameters] == ["key"]


def test_from_imports_registries_and_bound_methods_taken_before(service, intercept, notebook):
    """Whoever holds the function object is heard: it is the code that was exchanged."""
    m = service.module("""
        import functools
        registry = {}
        def register(f):
            registry[f.__name__] = f
            return f
        @register
        def f(x): return x
        class C:
            def m(self): return self
            alias = m
        bound = C().m
        part = functools.partial(f, 5)
    """)
    other = service.module(f"from {m.__name__} import f as taken")
    intercept(f"{m.__name__}:f", f"{m.__name__}:C.m")
    with notebook.open():
        assert other.taken(1) == m.registry["f"](1) == 1
        assert m.part() == 5
        assert m.bound() is m.bound.__self__
        m.C().alias()
        super(type("D", (m.C,), {}), type("D", (m.C,), {})()) if False else None
    assert [name for name, _, _ in heard(notebook)] == ["f", "f", "f", "C.m", "C.m"]
    assert other.taken is m.f


def test_c_functions_and_who_imported_them(service, intercept, notebook):
    """A builtin has no code: it is wrapped where it is named, and in the modules of the service that took it before."""
    m = service.module("from time import time as now\nfrom math import sqrt")
    other = service.module(f"from {m.__name__} import sqrt, now")
    intercept(f"{m.__name__}:sqrt", f"{m.__name__}:now")
    with notebook.open():
        assert m.sqrt(4) == other.sqrt(4) == 2
        m.now()
    assert [call[0] for call in heard(notebook)] == ["sqrt", "sqrt", "now"]
    import math

    assert type(math.sqrt).__name__ == "builtin_function_or_method", "the standard library keeps its own"


def test_wrapped_c_functions_pickle_copy_and_introspect(service, intercept):
    """wrapt's wrapper refuses pickle and deepcopy; ours goes by name."""
    m = service.module("from math import sqrt")
    intercept(f"{m.__name__}:sqrt")
    assert pickle.loads(pickle.dumps(m.sqrt)) is m.sqrt
    assert copy.deepcopy({"f": m.sqrt})["f"] is m.sqrt
    assert inspect.isbuiltin(m.sqrt)
    assert m.sqrt.__name__ == "sqrt"


def test_callable_instances_partials_and_dispatch(service, intercept, notebook):
    """An object that is called, whoever holds it; others of its class stay out."""
    m = service.module("""
        import functools
        class Handler:
            def __call__(self, x): return x
        one, two = Handler(), Handler()
        table = {"one": one}
        def add(a, b): return a + b
        inc = functools.partial(add, 1)
        @functools.singledispatch
        def show(x): return "any"
        @show.register
        def _(x: int): return "int"
        @functools.lru_cache
        def cached(x): return x
    """)
    intercept(*(f"{m.__name__}:{name}" for name in ("one", "inc", "show", "cached")))
    with notebook.open():
        assert m.table["one"](1) == 1
        m.two(2)
        assert m.inc(2) == 3
        assert (m.show(1), m.show("")) == ("int", "any")
        assert m.cached(1) == m.cached(1) == 1
    assert [(name, args) for name, args, _ in heard(notebook)] == [
        ("one", (1,)),
        ("inc", (2,)),
        ("show", (1,)),
        ("show", ("",)),
        ("cached", (1,)),
        ("cached", (1,)),
    ]
    assert m.cached.cache_info().hits == 1
    assert m.show.dispatch(int)(1) == "int"
    assert isinstance(m.inc, functools.partial)


def test_a_bound_method_is_that_object_s_alone(service, intercept, notebook):
    """A module's name for one object's method, or for a class's: the object is no argument, and others of its class stay out."""
    m = service.module("""
        class Repo:
            def __init__(self, name): self.name = name
            def load(self, key): return self.name, key
            @classmethod
            def make(cls, name): return cls(name).name
        class Other(Repo): pass
        repo = Repo("one")
        load, make = repo.load, Other.make
    """)
    loading, making = intercept(f"{m.__name__}:load", f"{m.__name__}:make").findings()
    with notebook.open() as page:
        assert (m.load(1), m.repo.load(2), m.Repo("two").load(3)) == (("one", 1), ("one", 2), ("two", 3))
        assert (m.make("four"), m.Repo.make("five")) == ("four", "five")
    assert heard(notebook) == [("load", (1,), ("one", 1)), ("load", (2,), ("one", 2)), ("make", ("four",), "four")]
    assert [call.receiver for call in page.calls] == [m.repo, m.repo, m.Other]
    assert [name for name, _ in page.calls[0].target.parameters] == ["key"]
    assert "Repo.load for this object only" in loading.technique
    assert "Repo.make for this object only" in making.technique


def test_inside_or_outside_decorators(service, intercept, notebook):
    """The config chooses; the finding says which."""
    source = """
        import functools
        tries = []
        def retry(f):
            @functools.wraps(f)
            def again(*args):
                for attempt in (1, 2):
                    try: return f(attempt)
                    except ValueError: tries.append(attempt)
            return again
        @retry
        def f(attempt):
            if attempt == 1: raise ValueError
            return attempt
    """
    inner, outer = service.module(source), service.module(source)
    (inside,) = intercept(f"{inner.__name__}:f").findings()
    (outside,) = intercept(f"{outer.__name__}:f", wrap="outside").findings()
    with notebook.open():
        assert inner.f() == outer.f() == 2
    assert [(call.args, call.end) for call in notebook.calls] == [((1,), "raised"), ((2,), "returned"), ((), "returned")]
    assert "inside its decorators" in inside.technique
    assert "outside its decorators" in outside.technique


def test_caches_that_are_no_c_function_are_taken_from_outside(service, intercept, notebook):
    """As async_lru and cachetools make them: a call that the cache answers is a call. A method's `cache_clear` still works."""
    m = service.module("""
        import functools
        class Cached:
            def __init__(self, function):
                functools.update_wrapper(self, function)
                self.kept = {}
            def __call__(self, x):
                if x not in self.kept: self.kept[x] = self.__wrapped__(x)
                return self.kept[x]
            def cache_clear(self): self.kept.clear()
        def cached(function):
            kept = {}
            @functools.wraps(function)
            def answer(x):
                if x not in kept: kept[x] = function(x)
                return kept[x]
            answer.cache_key = hash
            return answer
        @Cached
        def one(x): return x
        @cached
        def two(x): return x
    """)
    findings = intercept(f"{m.__name__}:one", f"{m.__name__}:two").findings()
    with notebook.open():
        assert [m.one(1), m.one(1), m.two(2), m.two(2)] == [1, 1, 2, 2]
    m.one.cache_clear()
    assert [call[:2] for call in heard(notebook)] == [("one", (1,)), ("one", (1,)), ("two", (2,)), ("two", (2,))]
    assert all("outside its cache" in finding.technique for finding in findings)


def test_what_numba_compiles_is_refused(service, intercept, notebook):
    """It reads a function's code at the first call, and would refuse ours within the service. What is around it is held."""
    m = service.module("""
        import functools
        class Dispatcher:
            def __init__(self, function):
                functools.update_wrapper(self, function)
            def __call__(self, *args):
                return self.__wrapped__(*args)
        Dispatcher.__module__ = "numba.core.registry"
        def plain(function):
            @functools.wraps(function)
            def call(*args): return function(*args)
            return call
        @Dispatcher
        def fast(x): return x
        @plain
        @Dispatcher
        def around(x): return x
    """)
    code = m.fast.__wrapped__.__code__, m.around.__wrapped__.__wrapped__.__code__
    refused, held = intercept(f"{m.__name__}:fast", f"{m.__name__}:around").findings()
    assert "compiled by numba" in refused.error
    assert "in place" in held.technique
    with notebook.open():
        assert (m.fast(1), m.around(2)) == (1, 2)
    assert [call[:2] for call in heard(notebook)] == [("around", (2,))]
    assert (m.fast.__wrapped__.__code__, m.around.__wrapped__.__wrapped__.__code__) == code


def test_a_function_modelled_on_a_foreign_one_leaves_that_alone(service, intercept, notebook):
    """`functools.wraps(other)` doesn't make `other` the target."""
    m = service.module("""
        import functools, textwrap
        @functools.wraps(textwrap.dedent)
        def mine(x): return x
    """)
    import textwrap

    intercept(f"{m.__name__}:mine")
    with notebook.open():
        textwrap.dedent("x")
        m.mine(1)
    assert [call.args for call in notebook.calls] == [(1,)]


def test_inherited_methods_are_heard_for_the_named_class_only(service, intercept, notebook):
    """The base's function serves all; only instances of the declared class are this target."""
    m = service.module("""
        class Base:
            def load(self): return 1
            @classmethod
            def make(cls): return cls
        class One(Base): pass
        class Two(Base): pass
    """)
    intercept(f"{m.__name__}:One.load", f"{m.__name__}:Two.load", f"{m.__name__}:One.make")
    with notebook.open():
        for c in (m.Base, m.One, m.Two):
            c().load()
            c.make()
    assert [call[0] for call in heard(notebook)] == ["One.load", "One.make", "Two.load"]


def test_overrides_are_the_same_target(service, intercept, notebook):
    """Subclasses there are and will be: one call each, though they call the base."""
    m = service.module("""
        import abc
        class Base(abc.ABC):
            made = []
            def __init_subclass__(cls, **kw):
                Base.made.append((cls.__name__, kw))
            @abc.abstractmethod
            def load(self): return 1
        class One(Base):
            def load(self): return super().load() + 1
    """)
    intercept(f"{m.__name__}:Base.load")
    later = service.module(f"""
        from {m.__name__} import Base, One
        class Two(One, tag=5):
            def load(self): return super().load() + 1
    """)
    with notebook.open():
        assert m.One().load() == 2
        assert later.Two().load() == 3
    assert [(call.name.partition(":")[2], call.target.qualname) for call in notebook.calls] == [
        ("Base.load", "One.load"),
        ("Base.load", "Two.load"),
    ]
    assert m.Base.made == [("One", {}), ("Two", {"tag": 5})]


def test_overrides_of_other_kinds_are_heard_too(service, intercept, notebook):
    """A cached one, a partial one, one in C; what is no method at all is left alone, and `check` claims none that isn't held."""
    m = service.module("""
        import functools
        class Base:
            def load(self, key): return key
        class Cached(Base):
            @functools.lru_cache
            def load(self, key): return ("cached", key)
        class Partial(Base):
            def _load(self, kind, key): return (kind, key)
            load = functools.partialmethod(_load, "partial")
        class C(Base, dict):
            load = dict.get
        class Not(Base):
            load = None
    """)
    (finding,) = intercept(f"{m.__name__}:Base.load").findings()
    later = service.module(f"""
        import functools
        from {m.__name__} import Base
        class Later(Base):
            @functools.lru_cache
            def load(self, key): return ("later", key)
        class Nothing(Base):
            load = 5
    """)
    with notebook.open():
        assert m.Cached().load(1) == ("cached", 1)
        assert m.Partial().load(2) == ("partial", 2)
        assert m.C(a=3).load("a") == 3
        assert later.Later().load(4) == ("later", 4)
        assert (m.Not().load, later.Nothing().load) == (None, 5)
    assert [call.args for call in notebook.calls] == [(1,), (2,), ("a",), (4,)]
    assert {call.name for call in notebook.calls} == {f"{m.__name__}:Base.load"}
    told = sorted(warning.split()[2].rpartition(":")[2] for warning in finding.warnings)
    assert told == ["C.load", "Cached.load", "Partial.load"]


def test_classes_are_heard_when_they_are_made(service, intercept, notebook):
    """`__init__`, of plain, data and attrs classes; the class stays itself."""
    m = service.module("""
        import dataclasses, attrs
        class Plain:
            def __init__(self, a): self.a = a
        @dataclasses.dataclass
        class Data:
            a: int
        @attrs.define
        class Attrs:
            a: int
        class Child(Plain): pass
    """)
    before = m.Plain
    intercept(*(f"{m.__name__}:{name}" for name in ("Plain", "Data", "Attrs")))
    with notebook.open():
        assert [m.Plain(1).a, m.Data(2), m.Attrs(a=3), m.Child(4).a] == [1, m.Data(2), m.Attrs(3), 4]
    assert m.Plain is before
    assert [call.args or call.kwargs for call in notebook.calls] == [(1,), (2,), {"a": 3}, (4,), (2,), (3,)]


def test_a_glob_says_how_each_is_held(service, intercept):
    """One way for all, or each with its names."""
    m = service.module("""
        import functools
        class Repo:
            def load(self): return 1
            def save(self): return 2
            @property
            def size(self): return 3
            @functools.cache
            def cached(self): return 4
        class Same:
            def one(self): return 1
            def two(self): return 2
    """)
    mixed, same = intercept(f"{m.__name__}:Repo.*", f"{m.__name__}:Same.*").findings()
    assert mixed.technique == (
        "on the attribute; outside its cache, so every call is recorded (cached), in place (load, save),"
        " property: in place (size)"
    )
    assert same.technique == "in place"


def test_globs_mean_functions_of_the_module(service, intercept, notebook):
    """Not what it imported, not its classes, not what is private."""
    m = service.module("""
        from textwrap import dedent
        from os import getpid
        def load_a(): return 1
        def load_b(): return 2
        def _load_c(): return 3
        class load_d: pass
    """)
    (finding,) = intercept(f"{m.__name__}:*").findings()
    assert finding.matched == [f"{m.__name__}:load_a", f"{m.__name__}:load_b"]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("datetime:datetime.now", "C type datetime"),
        ("decimal:Decimal.sqrt", "`returns: handle`"),
        ("json:lods", "did you mean 'loads'"),
        ("json.decoder:JSONDecoder.decod", "did you mean 'decode'"),
        ("os:sep", "can't be called"),
        ("__main__:f", "own module"),
    ],
)
def test_what_cant_be_held_says_why(intercept, capfd, target, reason):
    """One line on stderr, a finding for `check`, and no exception for the service."""
    (finding,) = intercept(target).findings()
    assert reason in finding.error
    assert reason in capfd.readouterr().err


def test_a_context_manager_is_an_input_and_no_operation(service, intercept, notebook):
    """Entered and left as ever; a replay of one would call it, and nobody would enter what it gives."""
    m = service.module("""
        import contextlib
        left = []
        @contextlib.contextmanager
        def opened(x):
            yield x
            left.append(x)
        @contextlib.asynccontextmanager
        async def aopened(x):
            yield x
            left.append(x)
    """)
    refused, *held = intercept(operation(f"{m.__name__}:opened"), f"{m.__name__}:opened", f"{m.__name__}:aopened").findings()
    assert "context manager" in refused.error
    assert not any(finding.error for finding in held)

    async def use():
        with m.opened(1) as one:
            async with m.aopened(2) as two:
                return one, two

    with notebook.open() as page:
        assert asyncio.run(use()) == (1, 2)
        with pytest.raises(KeyError), m.opened(3):
            raise KeyError
    assert m.left == [2, 1]
    assert [(call.args, call.items, call.end) for call in page.calls] == [
        ((1,), [1], "returned"), ((2,), [2], "returned"), ((3,), [3], "raised"),
    ]


def test_a_function_declared_twice_is_heard_once(service, intercept, notebook):
    """The first declaration has it; the second is told."""
    m = service.module("def f(): return 1")
    _, second = intercept(operation(f"{m.__name__}:f"), f"{m.__name__}:*").findings()
    assert "already" in second.warnings[0]
    with notebook.open():
        m.f()
    assert notebook.calls == []


def test_uninstall_puts_everything_back(service, intercept, notebook):
    """For tests, and for whoever looks."""
    m = service.module("""
        from math import sqrt
        class C:
            def f(self): return 1
            def __call__(self): return 2
        c = C()
    """)
    code, call, sqrt = m.C.f.__code__, m.C.__call__.__code__, m.sqrt
    interception = intercept(f"{m.__name__}:C.f", f"{m.__name__}:c", f"{m.__name__}:sqrt")
    assert m.C.f.__code__ is not code
    interception.uninstall()
    assert (m.C.f.__code__, m.C.__call__.__code__, m.sqrt) == (code, call, sqrt)
    assert vars(m.C.f) == {}
    assert "__init_subclass__" not in vars(m.C)


def test_check_names_who_stays_unheard(service, intercept):
    """Whatever took a C function before it was wrapped, wherever it keeps it; a module's own name is bound anew."""
    m = service.module("""
        import functools
        from math import sqrt
        table = {"root": sqrt}
        class Uses:
            root = sqrt
            def __init__(self): self.own = sqrt
        class Slotted:
            __slots__ = ("own",)
            def __init__(self): self.own = [sqrt]
        uses, slotted = Uses(), Slotted()
        among = [[Uses()]]
        class Lazy:
            @property
            def __class__(self): raise RuntimeError("nobody may look at it yet")
        settings = Lazy()
        settings.root = sqrt
        def default(x, root=sqrt): return root(x)
        def enclosing(root):
            def enclosed(x): return root(x)
            return enclosed
        closure = enclosing(sqrt)
        registry = {"deep": {"deeper": functools.partial(sqrt, 4)}}
        def fine(x): return sqrt(x)
    """)
    (finding,) = intercept(f"{m.__name__}:sqrt").findings(unheard=True)
    unheard = {warning.rpartition("unheard: ")[2] for warning in finding.warnings}
    name = m.__name__
    assert "math.sqrt" in unheard
    assert {holder for holder in unheard if name in holder} == {
        f"{name}.table['root']",
        f"{name}.Uses.root",
        f"{name}.uses",
        f"an object of {name}.Uses",
        f"{name}.settings",
        f"{name}.slotted",
        f"{name}.default (a default or a closure)",
        f"{name}.enclosing.<locals>.enclosed (a default or a closure)",
        f"{name}.registry",
    }
