"""Encoding runs in the service's own threads: whatever the value, it neither fails, nor runs the service's code, nor waits."""

from __future__ import annotations

import gc
import socket
import sys
import threading
import time
import weakref
from typing import Any

import ormsgpack
import pytest

from autoplayback.tape.plainness import is_plain
from autoplayback.tape.values import Encoder, Tagged, Trust, inspect, isdata, rebuild
from autoplayback.tape.walk import OBJECTS
from tests.tape.samples import Line, Plain, Point


class Touchy:
    """Refuses everything that a class can be asked for."""

    def __init__(self) -> None:
        object.__setattr__(self, "secret", [1])

    def _refuse(self, *_: Any) -> Any:
        raise AssertionError("the service's code was run")

    __eq__ = __hash__ = __repr__ = __str__ = __len__ = __iter__ = __bool__ = __getattr__ = __reduce_ex__ = __getstate__ = _refuse
    __reduce__ = __copy__ = __deepcopy__ = __dir__ = __call__ = __getitem__ = __setattr__ = __index__ = __format__ = _refuse
    __getattribute__ = _refuse
    derived = property(_refuse)


def subclass(base: type) -> type:
    """A subclass of a built-in type which refuses likewise."""
    names = (
        "__eq__",
        "__repr__",
        "__str__",
        "__len__",
        "__iter__",
        "__getattr__",
        "__reduce_ex__",
        "__getitem__",
        "__getattribute__",
        "__int__",
        "__float__",
        "__bytes__",
        "__index__",
        "keys",
        "items",
        "values",
        "copy",
        "__bool__",
        "__getstate__",
    )
    return type(
        f"Touchy_{base.__name__}",
        (base,),
        {"__module__": __name__, **dict.fromkeys(names, Touchy._refuse), "__hash__": base.__hash__},
    )


@pytest.mark.parametrize("base", [list, dict, tuple, set, frozenset, str, int, float, bytes, bytearray, ValueError])
def test_no_method_of_a_subclass_is_called(base: type) -> None:
    """The value is read through the built-in type itself."""
    encoder = Encoder()
    content = inspect(encoder.encode([subclass(base)()]))
    assert encoder.opaque == []
    assert content[0].type.endswith(f"Touchy_{base.__name__}")  # type: ignore[index, union-attr]


def test_no_code_of_an_instance_runs() -> None:
    """Its fields are read past __getattribute__, properties and all; as items, fields, keys and in tables alike."""
    encoder, touchy = Encoder(), Touchy()
    expected = Tagged("object", f"{__name__}:Touchy", {"secret": [1]})
    assert inspect(encoder.encode(touchy)) == expected
    assert inspect(encoder.encode({"a": (touchy,)}))["a"].value == [expected]  # type: ignore[index, call-overload, union-attr]
    assert len(inspect(encoder.encode([Touchy() for _ in range(20)]))) == 20  # type: ignore[arg-type]
    assert inspect(encoder.arguments((touchy,), {"k": touchy})) == [[expected], {"k": expected}]
    assert encoder.opaque == []


def test_keys_are_neither_hashed_nor_compared() -> None:
    """A dict is copied without asking its keys."""

    class KeyLike:
        busy = False

        def __hash__(self) -> int:
            assert not KeyLike.busy
            return 1

        def __eq__(self, other: object) -> bool:
            assert not KeyLike.busy
            return self is other

    value = {KeyLike(): 1, KeyLike(): 2, "plain": 3}
    KeyLike.busy = True
    encoder = Encoder()
    assert len(inspect(encoder.encode([value, {*()}]))[0].value) == 3  # type: ignore[index, union-attr, arg-type, call-overload]
    assert len(inspect(encoder.encode(value)).value) == 3  # type: ignore[union-attr, arg-type]
    KeyLike.busy = False


def generator() -> Any:
    yield 1


async def coroutine() -> None:
    pass


def live_objects() -> list[Any]:
    """One of each sort that can't be data."""

    class Local:
        pass

    running = coroutine()
    running.close()
    return [
        threading.Lock(),
        threading.RLock(),
        socket.socket(),
        generator(),
        running,
        sys._getframe(),
        open(__file__),
        weakref.ref(Plain),
        iter([]),
        map(int, []),
        lambda: 1,
        (lambda: 1).__code__,
        threading.local(),
        memoryview(b""),
        sys.stdout,
        object().__init__,
        {}.__class__.__dict__["get"],
        Local,
    ]


def test_live_objects_become_flagged_leaves_and_nothing_else_is_lost() -> None:
    """What can't be recorded stands on the tape by its type, everything around it as it was."""
    for live in live_objects():
        if isinstance(live, memoryview):
            live.release()
        encoder = Encoder()
        tree: Any = inspect(encoder.encode({"before": [1], "live": [live], "after": Point(1, (2,))}))
        assert tree["before"] == [1]
        assert tree["after"].value == {"x": 1, "y": Tagged("tuple", "", [2])}
        assert tree["live"][0].kind == "opaque", live
        assert len(encoder.opaque) == 1
    assert not isdata(generator())
    assert not isdata(threading.Lock())
    assert isdata(Point(1))
    assert isdata([])


def test_handles_stand_by_their_number() -> None:
    """Objects that interception made: their ids come from the tape in the making."""

    class Connection:
        __autoplayback_handle__ = True

    connection = Connection()
    encoder = Encoder(lambda value: 7 if value is connection else None)
    tree: Any = inspect(encoder.encode([connection, Connection()]))
    assert (tree[0].kind, tree[0].value, tree[0].type.rpartition(":")[2]) == ("handle", 7, f"{self_name()}.<locals>.Connection")
    assert tree[1].kind == "opaque"
    assert not isdata(connection)


def self_name() -> str:
    """The qualified name of the test which asks."""
    return sys._getframe(1).f_code.co_qualname


def test_a_failing_part_costs_only_itself() -> None:
    """One value whose state can't be read, among good ones that share objects."""

    class Broken(list):  # type: ignore[type-arg]
        __slots__ = ()

    shared = [1]
    released = memoryview(b"x")
    released.release()
    encoder = Encoder()
    tree: Any = inspect(encoder.encode([shared, (released, shared), Plain(a=shared), Broken([2**70, "\ud800"])]))
    assert tree[0] == [1]
    assert tree[1].value[0].kind == "opaque"
    assert tree[1].value[1] == [1]
    assert tree[3].value == [2**70, "\ud800"]
    assert encoder.opaque == ["builtins:memoryview"]


def test_where_the_service_left_no_room_to_recurse_the_value_is_recorded_all_the_same() -> None:
    """An intercepted call at the bottom of a deep recursion."""
    value = Plain(a=[Plain(b=(1, [2, {"c": {3}}]))])
    documents: list[bytes] = []
    encoder = Encoder()

    def descend(depth: int) -> None:
        if depth:
            descend(depth - 1)
        else:
            documents.append(encoder.encode(value))

    room = sys.getrecursionlimit()
    frames = len(_stack())
    for left in (25, 40, 70):
        descend(room - frames - left)
    trees = [inspect(document) for document in documents]
    assert trees[1] == trees[2] == inspect(Encoder().encode(value))
    assert trees[0] == trees[1] or encoder.opaque


def _stack() -> list[Any]:
    frame, frames = sys._getframe(), []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back  # type: ignore[assignment]
    return frames


def test_values_changed_by_other_threads_meanwhile_do_no_harm() -> None:
    """ormsgpack with a hook reads freed memory here; we must not. Each document can be read."""
    table: dict[str, Any] = {str(i): Plain(i=i, items=[Point(i, [i])] * 3) for i in range(50)}
    rows: list[Any] = [{"a": i, "b": [Line("x", i)]} for i in range(50)]
    stop = time.monotonic() + 1.5

    def change() -> None:
        i = 0
        while time.monotonic() < stop:
            i += 1
            table.pop(str(i % 50), None)
            table[str(i % 60)] = [i] * (i % 7)
            rows.insert(0, {"a": Plain(x=i), "b": []})
            rows[i % 40]["b"] = (i, [i])
            del rows[50:]

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=change) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        encoder = Encoder()
        while time.monotonic() < stop:
            inspect(encoder.encode({"table": table, "rows": rows}))
            inspect(encoder.encode(rows))
    finally:
        sys.setswitchinterval(before)
        for thread in threads:
            thread.join()


def test_a_value_over_the_limit_is_a_leaf_and_its_neighbours_stay() -> None:
    """Sizes are checked on the way, not when memory is already full."""
    encoder = Encoder(limit=1000)
    assert inspect(encoder.encode("x" * 1001)) == Tagged("opaque", "builtins:str", "too large")
    assert inspect(encoder.encode(b"x" * 1000)) == b"x" * 1000
    tree: Any = inspect(encoder.encode([Plain(a=1), Plain(b="y" * 2000), Plain(c=[0] * 5000), Plain(d=2)]))
    assert [node.kind for node in tree] == ["object"] * 4
    assert tree[3].value == {"d": 2}
    assert tree[1].value["b"].kind == "opaque"
    assert tree[2].value["c"].kind == "opaque"
    assert inspect(encoder.encode([0] * 5000)).kind == "opaque"  # type: ignore[union-attr]


def test_plain_data_is_told_apart_at_a_glance() -> None:
    """Only trees of exactly MessagePack's own types may go to ormsgpack as they stand."""
    shared: list[Any] = []
    wide = [{"a": i, "b": str(i), "c": None} for i in range(300)]
    plain: list[Any] = [[], {}, [1, "a"], {"a": {"b": [1, {}]}}, wide, [wide, {}], [[], []], [[[]] * 1] * 1]
    odd: list[Any] = [
        [()],
        [bytearray()],
        {"a": [memoryview(b"")]},
        {("k",): 1},
        [shared, shared],
        [{"x": shared}, {"y": shared}],
        [*wide, shared, [shared]],
        [*wide, {"a": bytearray()}],
        [*wide, *[{"a": 1, "b": "x", "c": b""}] * 2],
    ]
    cycle: list[Any] = []
    cycle.append([cycle])
    odd.append(cycle)
    assert [value for value in plain if not is_plain(value, 1 << 30)] == []
    assert [value for value in odd if is_plain(value, 1 << 30)] == []
    held = wide[5]
    assert is_plain(wide, 1 << 30)
    assert held is wide[5]
    assert not is_plain(wide, 100)


def test_many_ways_to_the_same_objects_take_no_time() -> None:
    """Forty lists, each twice in the one before, are forty lists and not 2^40; nor do cycles go round and round."""
    ladder: list[Any] = [0] * 200
    for _ in range(40):
        ladder = [ladder, ladder]
    knot: list[Any] = []
    knot.extend([knot] * 8)
    web: list[Any] = [{} for _ in range(30)]
    for i, node in enumerate(web):
        node.update({"a": web[i - 1], "b": web[i - 7], "c": web})
    started = time.process_time()
    for value in (ladder, knot, [knot, *range(200)], web, {"x": web}):
        encoder = Encoder()
        inspect(encoder.encode(value))
        inspect(encoder.arguments((value,), {"k": value}))
        assert encoder.opaque == []
    assert time.process_time() - started < 20


def test_encoding_keeps_nothing_alive() -> None:
    """No reference to a service's object remains in the encoder."""
    encoder, value = Encoder(), Plain(a=[])
    alive = weakref.ref(value)
    encoder.encode([value, value])
    del value
    gc.collect()
    assert alive() is None


class Part:
    """One object of a web."""

    def __init__(self, other: object) -> None:
        self.other = other
        self.names = ["a"]


def test_a_web_of_objects_costs_a_request_no_seconds() -> None:
    """An application handed around as an argument reaches everything: it becomes one flagged leaf, and is given up early."""
    web: object = None
    for _ in range(OBJECTS):
        web = Part(web)
    encoder = Encoder()
    inert = inspect(encoder.encode(web))
    assert isinstance(inert, Tagged)
    assert (inert.kind, inert.value) == ("opaque", "too many objects")
    assert len(encoder.opaque) == 1


def test_a_large_table_is_no_web() -> None:
    """Plain data and rows are bounded by their size alone."""
    encoder = Encoder()
    encoder.encode([{"id": i, "tags": [i]} for i in range(OBJECTS)])
    encoder.encode([(i, "x") for i in range(OBJECTS + 1)])
    assert encoder.opaque == []


@pytest.mark.parametrize("size", [(64 << 10) - 1, 64 << 10, 70_000])
def test_large_texts_and_blobs_are_written_as_small_ones_are(size: int) -> None:
    """They are packed by hand, to be copied once."""
    for value in ("x" * size, "é" * size, b"\xff" * size):
        assert Encoder().encode(value) == ormsgpack.packb(value)
        assert inspect(Encoder().encode(value)) == value
        assert inspect(Encoder().arguments((value,), {})) == [[value], {}]
    lone = "x" * size + "\ud800"
    assert rebuild(Encoder().encode(lone), Trust(frozenset(), {})) == lone
    assert inspect(Encoder(limit=size - 1).encode("x" * size)).value == "too large"


def test_many_parts_within_the_bound_may_be_too_large_together() -> None:
    """Then some of them are leaves, and the document is within it."""
    for value in (["x" * 600, "y" * 600], {"a": ["x" * 600, "y" * 600]}, [{"n": n, "text": "x" * 20} for n in range(100)]):
        encoder = Encoder(limit=1000)
        for document in (encoder.encode(value), encoder.arguments((value,), {}), encoder.arguments((1, value), {})):
            assert len(document) < 1000 + 100
        assert encoder.opaque


class Sly(dict[str, Any]):
    def keys(self) -> Any:
        raise AssertionError("the service's code was run")

    __iter__ = __getitem__ = copy = keys  # type: ignore[assignment]


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name.startswith("__") and name != "__class__" and Meta.told:
            raise AssertionError(f"the metaclass was asked for {name}")
        return super().__getattribute__(name)

    def __eq__(cls, other: object) -> bool:
        return True

    def __hash__(cls) -> int:
        return 5

    told = False


class Watched(metaclass=Meta):
    def __init__(self) -> None:
        self.n = 1


def test_classes_have_no_say_in_it_either() -> None:
    """A dict's overridden methods, a metaclass's attribute access and equality."""
    assert inspect(Encoder().encode(Sly(a=1))).value == {"a": 1}
    holder = Plain(x=1)
    holder.__dict__ = Sly(a=2)
    assert inspect(Encoder().encode(holder)).value == {"a": 2}
    watched = Watched()
    Meta.told = True
    try:
        document = Encoder().encode([watched, watched, {"a": watched}])
    finally:
        Meta.told = False
    assert inspect(document)[2]["a"].value == {"n": 1}
