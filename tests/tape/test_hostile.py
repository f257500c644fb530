"""Whatever the bytes: a value, or our error, soon and in little memory. Never an import, a call, another exception or a crash."""

from __future__ import annotations

import random
import resource
import struct
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import ormsgpack
import pytest

from autoplayback.errors import TapeError
from autoplayback.tape import payload
from autoplayback.tape.values import Encoder, Tagged, Trust, canonical, inspect, rebuild, render
from autoplayback.tape.wire import Code, Ext, pack
from tests.tape.samples import TRUST
from tests.tape.vectors import vectors

SECONDS = 3.0
"""For each of the fuzzers."""


def read(document: bytes) -> None:
    """All that is done to documents of tapes."""
    for use in (
        lambda: render(inspect(document)),
        lambda: canonical(document),
        lambda: rebuild(document, TRUST, lambda number: number),
    ):
        try:
            use()
        except TapeError:
            pass


def mutated(document: bytes, dice: random.Random) -> bytes:
    """Flipped, cut, stuffed, crossed with itself."""
    data = bytearray(document)
    for _ in range(dice.choice((1, 1, 2, 8))):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(6):
            case 0 if data:
                data[at % len(data)] ^= 1 << dice.randrange(8)
            case 1 if data:
                data[at % len(data)] = dice.choice((0, 0x80, 0x90, 0xC1, 0xC7, 0xC9, 0xD4, 0xDD, 0xDF, 0xFF, 5, 8))
            case 2:
                del data[at:]
            case 3:
                data[at:at] = dice.randbytes(dice.randrange(5))
            case 4:
                del data[at : at + dice.randrange(9)]
            case 5:
                start = dice.randrange(len(data) + 1)
                data[at:at] = data[start : start + dice.randrange(40)]
    return bytes(data)


def until(seconds: float) -> Iterator[random.Random]:
    """The dice of each round, until the time is up; at least five hundred rounds."""
    stop, rounds = time.monotonic() + seconds, 0
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # shown by pytest where the test fails
    dice = random.Random(seed)
    while rounds < 500 or time.monotonic() < stop:
        rounds += 1
        yield dice


def test_damaged_documents_of_every_type_give_our_error_or_a_value() -> None:
    """Mutations of the vectors, of what is within their extensions, and of random combinations of these."""
    documents = [Encoder().encode(value) for value in vectors.VALUES.values()]
    modules = set(sys.modules)
    for dice in until(SECONDS):
        document = dice.choice(documents)
        if dice.random() < 0.3:
            document = pack(Ext(dice.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 64, 65, 66, 99)), mutated(document, dice)))
        read(mutated(document, dice))
    assert {name for name in set(sys.modules) - modules if not name.startswith(("encodings", "numpy", "pandas"))} <= _ADAPTED


_ADAPTED = {"zoneinfo", "ipaddress", "array"}


def anything(dice: random.Random, depth: int = 0) -> Any:
    """A random tree of plain values and extensions with the right form or almost."""
    some = lambda count: [anything(dice, depth + 1) for _ in range(dice.randrange(count))]  # noqa: E731
    choice = dice.randrange(6 if depth > 4 else 16)
    if choice < 6:
        return dice.choice(
            (
                None,
                True,
                -1,
                0,
                1,
                5,
                2**40,
                1.5,
                "",
                "args",
                "x",
                "tests.tape.samples:Plain",
                b"",
                b"\x93\0\0",
                "Europe/Berlin",
                "2026-01-01",
                "<f8",
                "O",
                10**18,
            )
        )
    if choice < 8:
        return some(5)
    if choice < 10:
        return {
            dice.choice(("a", "args", "cause", "class", "adapter", "state", "extra", "notes", "", "index", "values")): item
            for item in some(4)
        }
    if choice < 14:
        return Ext(Code.TAGGED, pack([dice.choice(KINDS), dice.choice(TYPES), *some(3)]))
    return Ext(
        dice.randrange(10),
        pack(dice.choice((some(4), dice.randrange(20), [1, [some(3), some(3)]], [5, "object", TYPES[0], ["a"], [some(2)]]))),
    )


KINDS = [
    "object",
    "record",
    "namedtuple",
    "pydantic",
    "list",
    "tuple",
    "set",
    "frozenset",
    "dict",
    "str",
    "int",
    "float",
    "bytes",
    "bytearray",
    "enum",
    "exception",
    "class",
    "function",
    "module",
    "method",
    "handle",
    "opaque",
    "ref",
    "value",
    "array",
    "scalar",
    "pandas",
    "nonsense",
    "",
]
TYPES = [
    "tests.tape.samples:Plain",
    "tests.tape.samples:Line",
    "tests.tape.samples:Point",
    "tests.tape.samples:Pair",
    "tests.tape.samples:Box",
    "tests.tape.samples:Color",
    "tests.tape.samples:Access",
    "tests.tape.samples:Names",
    "tests.tape.samples:Headers",
    "tests.tape.samples:Refused",
    "tests.tape.samples:greet",
    "tests.tape.samples",
    "builtins:ValueError",
    "builtins:ExceptionGroup",
    "builtins:OSError",
    "builtins:dict",
    "builtins:UnicodeDecodeError",
    "builtins:type",
    "os:system",
    "nowhere:X",
    "",
    ":",
    "builtins:StopIteration",
    "collections:OrderedDict",
    "collections:Counter",
    "types:SimpleNamespace",
    "datetime:datetime",
    "datetime:date",
    "datetime:time",
    "datetime:timedelta",
    "datetime:timezone",
    "zoneinfo:ZoneInfo",
    "decimal:Decimal",
    "fractions:Fraction",
    "builtins:complex",
    "uuid:UUID",
    "builtins:range",
    "builtins:slice",
    "collections:deque",
    "collections:defaultdict",
    "builtins:mappingproxy",
    "_io:BytesIO",
    "_io:StringIO",
    "builtins:memoryview",
    "array:array",
    "functools:partial",
    "re:Pattern",
    "time:struct_time",
    "os:stat_result",
    "ipaddress:IPv4Address",
    "ipaddress:IPv6Network",
    "pathlib:PosixPath",
    "pathlib:WindowsPath",
    "builtins:dict_keys",
    "builtins:dict_items",
    "numpy:ndarray",
    "numpy:float64",
    "numpy:dtype",
    "pandas:DataFrame",
    "pandas:Series",
    "pandas.core.frame:DataFrame",
    "pandas.core.indexes.multi:MultiIndex",
    "pandas.core.indexes.datetimes:DatetimeIndex",
    "pandas._libs.tslibs.timestamps:Timestamp",
    "pydantic.main:BaseModel",
]


def test_made_up_documents_give_our_error_or_a_value() -> None:
    """Well-formed MessagePack whose tags promise what isn't there."""
    for dice in until(SECONDS):
        tree = anything(dice)
        read(pack(tree))
        read(pack(Ext(Code.GRAPH, pack([tree, *(anything(dice) for _ in range(dice.randrange(4)))]))))


def test_damaged_payloads_give_our_error_or_a_tape() -> None:
    """A tape's own bytes, and those of its documents."""
    whole = payload.dump(vectors.TAPE)
    for dice in until(SECONDS):
        try:
            tape = payload.load(mutated(whole, dice))
        except TapeError:
            continue
        for document in (tape.arguments, tape.outcome.value, *(call.arguments for call in tape.calls)):
            read(document)


def nested(head: bytes, count: int) -> bytes:
    """A container within a container, many times."""
    return head * count + b"\xc0"


def extensions(count: int, code: int = Code.TUPLE) -> bytes:
    """An extension within an extension."""
    document = pack(None)
    for _ in range(count):
        document = pack(Ext(code, b"\x91" + document))
    return document


def graph(*parts: Any) -> bytes:
    """A GRAPH."""
    return pack(Ext(Code.GRAPH, pack(list(parts))))


def ref(number: Any, code: int = Code.REF) -> Ext:
    """A reference."""
    return Ext(code, pack(number))


def numpy_array(shape: Any, dtype: Any = "<f8", data: Any = b"") -> bytes:
    """A forged array."""
    return pack(Ext(Code.TAGGED, pack(["array", "numpy:ndarray", data, [dtype, shape, "C", True]])))


def value(type_: str, content: Any, extra: Any = None, kind: str = "value") -> bytes:
    """A forged value of an adapter."""
    return pack(Ext(Code.TAGGED, pack([kind, type_, content, extra])))


def large(number: int) -> Ext:
    """An integer of any size."""
    return Ext(Code.INT, number.to_bytes(16, "big", signed=True))


BOMBS: dict[str, bytes] = {
    "array of 4 billion": b"\xdd\xff\xff\xff\xff",
    "map of 4 billion": b"\xdf\xff\xff\xff\xff",
    "bin of 4 GB": b"\xc6\xff\xff\xff\xff",
    "str of 4 GB": b"\xdb\xff\xff\xff\xff",
    "ext of 4 GB": b"\xc9\xff\xff\xff\xff\x01",
    "many arrays of 4 billion": b"\xdd\xff\xff\xff\xff" * 10_000,
    "graph of 4 billion": b"\xc7\x05\x00\xdd\xff\xff\xff\xff",
    "graph, array of 4 billion": b"\xc7\x06\x00\x91\xdd\xff\xff\xff\xff",
    "arrays in arrays": nested(b"\x91", 1_000_000),
    "maps in maps": nested(b"\x81\xa1a", 1_000_000),
    "extensions in extensions": extensions(3000),
    "tables in tables": extensions(300, Code.MANY),
    "tagged in tagged": extensions(300, Code.TAGGED),
    "graphs in graphs": extensions(300, Code.GRAPH),
    "graph, arrays in arrays": b"\xc9" + struct.pack(">I", 1_000_002) + b"\x00" + nested(b"\x91", 1_000_001),
    "reference to itself": graph(ref(0)),
    "reference to a part that is one": graph(ref(0, Code.PART), ref(1, Code.PART), ref(0, Code.PART)),
    "reference to nothing": graph([ref(7)]),
    "reference to a negative": graph([ref(-1)]),
    "reference to text": graph([ref("x")]),
    "part that isn't there": graph([ref(7, Code.PART)]),
    "huge reference": graph([ref(2**63)]),
    "empty graph": graph(),
    "graph within a value": pack([Ext(Code.GRAPH, pack([1]))]),
    "reference without graph": pack([ref(0)]),
    "graph of a number": pack(Ext(0, b"\x05")),
    "tuple that holds itself only": graph(Ext(Code.TUPLE, pack([ref(0)]))),
    "set that holds itself": graph(Ext(Code.SET, pack([ref(0)]))),
    "dict whose key is itself": graph(Ext(Code.MAP, pack([ref(0), 1]))),
    "frozenset in a circle": graph([Ext(Code.FROZENSET, pack([ref(1)]))]),
    "exception that causes itself": graph(
        Ext(Code.TAGGED, pack(["exception", "builtins:ValueError", {"args": [], "cause": ref(0), "context": ref(0)}]))
    ),
    "date made of itself": graph(Ext(Code.TAGGED, pack(["value", "datetime:date", ref(0)]))),
    "unhashable in a set": pack(Ext(Code.SET, pack([[]]))),
    "unhashable key": pack(Ext(Code.MAP, pack([[], 1]))),
    "odd map": pack(Ext(Code.MAP, pack([1]))),
    "colliding integers in a set": pack(Ext(Code.SET, pack([large((2**61 - 1) * i) for i in range(40_000)]))),
    "array of a petabyte": numpy_array([2**50]),
    "array of negative size": numpy_array([-1]),
    "array of objects from bytes": numpy_array([1], "O", b"12345678"),
    "dtype bomb": numpy_array([0], f"<V{2**31 - 1}"),
    "dtype of many fields": numpy_array([1], ",".join(["<f8"] * 50_000)),
    "dtype of nothing": numpy_array([1], {}),
    "array of zero-size items": numpy_array([2**40], "<V0", b""),
    "sub-array bomb": numpy_array([1], ["<f8", [2**40]]),
    "ip network of names": value("ipaddress:IPv4Network", "x" * 100_000),
    "decimal of a million digits": value("decimal:Decimal", "9" * 1_000_000),
    "fraction bomb": value("fractions:Fraction", ["1e999999999", 1]),
    "regex bomb": value("re:Pattern", "(" * 50_000),
    "regex flags": value("re:Pattern", "a", 2**40),
    "regex of repeats": value("re:Pattern", "((a{0,1000}){0,1000}){0,1000}", 32),
    "slow integer text": value("fractions:Fraction", ["9" * 4_000_000, 1]),
    "range": value("builtins:range", [0, 2**63, 1]),
    "huge deque": value("collections:deque", [], 2**62),
    "negative deque": value("collections:deque", [], -1),
    "memory view bomb": value("builtins:memoryview", b"1", ["B", [2**60], True]),
    "string file": value("_io:StringIO", "x", ["\n", 2**62]),
    "byte file": value("_io:BytesIO", b"", [2**62]),
    "zone outside the database": value("zoneinfo:ZoneInfo", "../../../etc/passwd"),
    "array typecode": value("array:array", [2**40], "b"),
    "partial of nothing": value("functools:partial", [1, [], {}]),
    "complex of text": value("builtins:complex", ["a", 1]),
    "index bomb": value("pandas.core.indexes.range:RangeIndex", [0, 2**62, 1], ["x"], "pandas"),
    "frame without columns": value("pandas.core.frame:DataFrame", {"columns": None, "index": 5, "values": [1]}, [{}], "pandas"),
    "levels": value("pandas.core.indexes.multi:MultiIndex", {"levels": [1], "codes": [2**60], "names": []}, None, "pandas"),
    "categories": value(
        "pandas.core.series:Series", {"index": None, "values": ["categorical", b"\xff", [], True]}, ["n", {}], "pandas"
    ),
    "stat of text": value("os:stat_result", ["a"] * 30),
    "enum of everything": pack(Ext(Code.TAGGED, pack(["enum", "tests.tape.samples:Access", ["X", 2**200 % 2**63]]))),
    "group of nothing": value("builtins:ExceptionGroup", {"args": ["m", []]}, None, "exception"),
    "int of text": value("tests.tape.samples:Cents", "5", None, "int"),
    "empty": b"",
    "reserved byte": b"\xc1",
    "bytes behind": b"\xc0" * 9,
    "bad UTF-8": b"\xa2\xff\xff",
    "timestamp extension": b"\xd6\xff\0\0\0\0",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_made_up_document_costs_little_and_raises_only_ours(name: str) -> None:
    """In time and in memory; where it isn't refused it is a harmless value."""
    document = BOMBS[name]
    before = time.process_time()
    tracemalloc.start()
    try:
        read(document)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - before < 10
    assert peak < 60e6 + 100 * len(document)


def test_reading_has_no_effect_whatever_a_class_name_says() -> None:
    """A module which would leave a trace is not imported, a function which would is not called."""
    for kind in KINDS:
        for name in (
            "antigravity:x",
            "this:s",
            "os:abort",
            "sys:exit",
            "tests.tape.test_hostile:test_damaged_payloads",
            "builtins:exit",
            "pty:spawn",
        ):
            document = pack(Ext(Code.TAGGED, pack([kind, name, {"args": [1]}, None])))
            inspect(document)
            if kind != "opaque":
                with pytest.raises(TapeError):
                    rebuild(document, Trust(frozenset({"tests.tape.samples"})))
    assert "antigravity" not in sys.modules
    assert "this" not in sys.modules


CRASH = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from tests.tape.test_hostile import BOMBS, read
import threading
threading.stack_size(1024 * 1024)
done = []
def work():
    for name, document in BOMBS.items():
        if "extensions" in name or "arrays" in name or "maps" in name or "billion" in name or "GB" in name:
            read(document)
    done.append(True)
thread = threading.Thread(target=work)
thread.start(); thread.join()
print("alive" if done else "dead")
"""


def test_depth_crashes_no_thread_with_a_small_stack() -> None:
    """A megabyte of stack and a gigabyte of memory are enough for the worst of them."""
    run = subprocess.run([sys.executable, "-c", CRASH], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "alive", run.stderr[-2000:]
    assert resource.RLIMIT_AS


def test_what_is_no_bytes_is_refused() -> None:
    """A payload whose documents are of another type."""
    uses: list[Callable[[Any], Any]] = [inspect, canonical, lambda document: rebuild(document, TRUST)]
    for use in uses:
        for document in (None, 5, "text", [], Tagged("a", "b", 1)):
            with pytest.raises(TapeError):
                use(document)
    with pytest.raises(TapeError):
        payload.load(ormsgpack.packb([1]))
