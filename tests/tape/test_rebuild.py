"""Making values again: of trusted packages only, on code that has moved on since the tape was made."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from autoplayback.errors import NotTrusted, TapeError
from autoplayback.tape.rebuild import Opaque
from autoplayback.tape.values import Encoder, Tagged, Trust, inspect, rebuild
from autoplayback.tape.wire import Code, Ext, pack
from tests.tape.samples import TRUST, Plain

OLD = """
import dataclasses, enum, typing, attrs, collections, pydantic
{code}
"""


@pytest.fixture
def shop() -> Iterator[Any]:
    """Gives `define(code)`: (re)defines the module `shop`, as an older or newer version of the service."""

    def define(code: str, name: str = "shop") -> Any:
        module = types.ModuleType(name)
        sys.modules[name] = module
        exec(OLD.format(code=code), module.__dict__)
        return module

    yield define
    for name in ("shop", "shop.orders", "store"):
        sys.modules.pop(name, None)


SHOP = Trust(frozenset({"shop"}))


def tagged(kind: str, type_: str, value: Any = None, *extra: Any) -> bytes:
    """A document made by hand."""
    return pack(Ext(Code.TAGGED, pack([kind, type_, value, *extra])))


def remade(shop: Any, old: str, value: str, new: str, moved: dict[str, str] | None = None) -> Any:
    """`value` (an expression) recorded under the old code and made again under the new."""
    document = Encoder().encode(eval(value, shop(old).__dict__))
    shop(new)
    return rebuild(document, Trust(frozenset({"shop", "store"}), moved or {}))


DATACLASS = "@dataclasses.dataclass\nclass Order:\n"
ATTRS = "@attrs.define\nclass Order:\n"
PYDANTIC = "class Order(pydantic.BaseModel):\n"
NAMEDTUPLE = "class Order(typing.NamedTuple):\n"
SLOTS = "@dataclasses.dataclass(slots=True, frozen=True)\nclass Order:\n"
RECORDS = pytest.mark.parametrize(
    "head", [DATACLASS, ATTRS, PYDANTIC, NAMEDTUPLE, SLOTS], ids=["dataclass", "attrs", "pydantic", "namedtuple", "slots"]
)


@RECORDS
def test_a_new_field_gets_its_default_and_order_does_not_matter(shop: Any, head: str) -> None:
    """Fields are told apart by name."""
    order = remade(
        shop, head + " id: int\n total: float", "Order(id=1, total=2.5)", head + " total: float\n id: int\n currency: str = 'EUR'"
    )
    assert (order.id, order.total, order.currency) == (1, 2.5, "EUR")


@RECORDS
def test_a_removed_field_is_dropped(shop: Any, head: str) -> None:
    """The new code's instances have no trace of it."""
    order = remade(shop, head + " id: int\n coupon: str", "Order(id=1, coupon='x')", head + " id: int")
    assert order == sys.modules["shop"].Order(id=1)
    assert not hasattr(order, "coupon")


@RECORDS
def test_a_new_field_without_default_is_named_with_what_to_do(shop: Any, head: str) -> None:
    """The message holds the lines to write."""
    with pytest.raises(
        TapeError, match=r"shop:Order has a field 'number'.*default.*moved: \{\"shop:Order.old_name\": \"shop:Order.number\"\}"
    ):
        remade(shop, head + " id: int", "Order(id=1)", head + " number: int")


@RECORDS
def test_a_renamed_field_follows_the_map(shop: Any, head: str) -> None:
    """`module:Class.old` to `module:Class.new`."""
    order = remade(shop, head + " id: int", "Order(id=7)", head + " number: int", {"shop:Order.id": "shop:Order.number"})
    assert order.number == 7


def test_default_factories_are_called_anew(shop: Any) -> None:
    """No two instances share a new field's list."""
    new = DATACLASS + " id: int\n lines: list = dataclasses.field(default_factory=list)"
    one, two = remade(shop, DATACLASS + " id: int", "[Order(1), Order(2)]", new)
    assert one.lines == []
    assert one.lines is not two.lines


@pytest.mark.parametrize(
    "moved",
    [
        {"shop:Order": "store:Purchase"},
        {"shop:Order": "store:Purchase", "other": "else"},
    ],
)
def test_moved_and_renamed_classes_follow_the_map(shop: Any, moved: dict[str, str]) -> None:
    """With classes nested in them."""
    document = Encoder().encode(shop("class Order:\n class Line:\n  x = 1\n").Order.Line)
    instance = Encoder().encode(sys.modules["shop"].Order())
    shop("")
    store = shop("class Purchase:\n class Line:\n  x = 2\n", "store")
    trust = Trust(frozenset({"store"}), moved)
    assert rebuild(document, trust) is store.Purchase.Line
    assert type(rebuild(instance, trust)) is store.Purchase


def test_a_moved_module_takes_its_classes_along(shop: Any) -> None:
    """`old.module: new.module`, submodules too."""
    document = Encoder().encode(shop("class Order: pass", "shop.orders").Order())
    del sys.modules["shop.orders"]
    store = shop("class Order: pass", "store")
    assert type(rebuild(document, Trust(frozenset({"store"}), {"shop.orders": "store"}))) is store.Order


def test_a_missing_class_is_named_with_where_it_probably_is(shop: Any) -> None:
    """The map entry is ready to be copied."""
    document = Encoder().encode(shop("class Order: pass").Order())
    shop("")
    shop("class Order: pass", "store")
    with pytest.raises(TapeError, match=r'shop has no Order any more; add `moved: \{"shop:Order": "store:Order"\}`'):
        rebuild(document, Trust(frozenset({"shop", "store"})))
    del sys.modules["shop"]
    with pytest.raises(TapeError, match=r"'shop' can't be imported.*moved"):
        rebuild(document, Trust(frozenset({"shop", "store"})))


def test_changed_bases_and_kinds_are_handled_or_named(shop: Any) -> None:
    """A plain class that became a dataclass takes its fields; a list that isn't one any more can't."""
    order = remade(shop, "class Order:\n def __init__(self): self.id = 1", "Order()", DATACLASS + " id: int")
    assert order.id == 1
    assert (
        type(remade(shop, "class A: pass\nclass Order(A): pass", "Order()", "class B: pass\nclass Order(B): pass")).__name__
        == "Order"
    )
    with pytest.raises(TapeError, match="shop:Names doesn't derive from list any more"):
        remade(shop, "class Names(list): pass", "Names([1])", "class Names: pass")
    with pytest.raises(TapeError, match="shop:Order isn't a plain Python class"):
        remade(shop, "class Order: pass", "Order()", "class Order(int): pass")
    with pytest.raises(TapeError, match="shop:Order is no class any more, but function"):
        remade(shop, "class Order: pass", "Order()", "def Order(): pass")


def test_enum_members_are_found_by_name_then_by_value(shop: Any) -> None:
    """Renamed members keep their value, renumbered ones their name."""
    old = "class Color(enum.Enum):\n RED = 1\n BLUE = 2"
    back = remade(shop, old, "[Color.RED, Color.BLUE]", "class Color(enum.Enum):\n ROUGE = 1\n BLUE = 5")
    assert [member.name for member in back] == ["ROUGE", "BLUE"]
    with pytest.raises(TapeError, match="shop:Color has no member 'RED'"):
        remade(shop, old, "Color.RED", "class Color(enum.Enum):\n BLUE = 2")


@pytest.mark.parametrize(
    "document",
    [
        tagged("object", "posixpath:X", {}),
        tagged("object", "antigravity:X", {}),
        tagged("class", "os:system"),
        tagged("function", "os:system"),
        tagged("function", "builtins:eval"),
        tagged("function", "builtins:__import__"),
        tagged("function", "builtins:getattr"),
        tagged("class", "subprocess:Popen"),
        tagged("object", "tempfile:_TemporaryFileCloser", {"name": "/x"}),
        tagged("module", "os"),
        tagged("exception", "requests:RequestException", {"args": []}),
        tagged("function", "json:loads"),
        tagged("object", "distutils.core:X", {}),
        tagged("class", "builtins:open"),
        tagged("object", "json.__main__:X", {}),
        tagged("object", "logging.handlers:SocketHandler", {}),
    ],
    ids=lambda document: str(inspect(document).type),
)
def test_classes_and_functions_outside_trust_are_refused_unimported(document: bytes) -> None:
    """With the line that would allow it; nothing is imported to find out."""
    before = set(sys.modules)
    with pytest.raises(NotTrusted, match="trust"):
        rebuild(document, TRUST)
    assert set(sys.modules) == before


def test_trusted_modules_are_no_way_to_others(shop: Any) -> None:
    """What they import, what hangs on their classes and instances: only what they define themselves counts."""
    imports = "import os, subprocess\nfrom os import system\nfrom subprocess import Popen\n"
    shop(imports + "class Order:\n run = os.system\n\ninstance = Order()")
    for kind, name in [
        ("function", "shop:os.system"),
        ("function", "shop:system"),
        ("class", "shop:Popen"),
        ("function", "shop:Order.run"),
        ("class", "shop:subprocess.Popen"),
        ("function", "shop:instance.run"),
        ("function", "shop:Order.__init__.__globals__"),
        ("class", "shop:Order.__class__"),
        ("object", "shop:Popen"),
        ("method", "system"),
        ("module", "shop:os"),
    ]:
        with pytest.raises(TapeError):
            rebuild(tagged(kind, name, {}), SHOP)


def test_nothing_of_a_class_is_called_to_make_an_instance(shop: Any) -> None:
    """Not __init__, __new__, __setattr__, __setstate__, __post_init__, a property or a descriptor."""
    code = """
class Loud:
    def _refuse(self, *args, **kwargs): raise AssertionError
    __init__ = __new__ = __setattr__ = __setstate__ = __getattribute__ = __init_subclass__ = __del__ = _refuse
    x = property(_refuse, _refuse)
    def __del__(self): pass
@dataclasses.dataclass
class Order:
    id: int
    def __post_init__(self): raise AssertionError
class Model(pydantic.BaseModel):
    id: int
    def model_post_init(self, context): raise AssertionError
class Error(Exception):
    def __init__(self, a, b): raise AssertionError
"""
    module = shop(code)
    made = rebuild(tagged("object", "shop:Loud", {"x": 1}), SHOP)
    assert object.__getattribute__(made, "__dict__") == {"x": 1}
    assert rebuild(tagged("record", "shop:Order", {"id": 1}), SHOP).id == 1
    assert rebuild(tagged("exception", "shop:Error", {"args": [1]}), SHOP).args == (1,)
    model = tagged(
        "pydantic", "shop:Model", {"id": 1}, {"adapter": "pydantic.main:BaseModel", "state": None, "extra": [["id"], None, None]}
    )
    assert rebuild(model, SHOP).id == 1
    assert module


@pytest.mark.parametrize(
    "name",
    [
        "shop:Order.<locals>.X",
        "shop:",
        "shop",
        "shop:Order..x",
        "shop:a.b.c",
        ":x",
        "",
        "shop:__dict__",
        "shop:\0",
        "shop.\ud800:X".encode("utf-8", "replace").decode(),
        "shop:" + "x." * 10_000,
    ],
)
def test_odd_names_are_our_errors(shop: Any, name: str) -> None:
    """Whatever a tape names."""
    shop("class Order: pass")
    for kind in ("object", "class", "function", "exception", "enum", "module", "dict"):
        if (kind, name) not in (("module", "shop"), ("dict", "")):
            with pytest.raises(TapeError):
                rebuild(tagged(kind, name, {}), SHOP)


def test_a_module_that_fails_to_import_is_named(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own exception is in the text; SystemExit doesn't end us."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_shop.py").write_text("1 / 0")
    (tmp_path / "leaving_shop.py").write_text("raise SystemExit(3)")
    for name, text in (("broken_shop", "ZeroDivisionError"), ("leaving_shop", "exits"), ("absent_shop", "absent_shop")):
        with pytest.raises(TapeError, match=text):
            rebuild(tagged("object", f"{name}:X", {}), Trust(frozenset({name})))


def test_handles_come_from_the_player_and_opaque_leaves_say_why_they_are_empty() -> None:
    """Passing them on is fine; looking into one tells what it was."""
    document = Encoder(lambda value: 5).encode([type("H", (), {"__autoplayback_handle__": 1})(), (i for i in ())])
    handle, opaque = rebuild(document, TRUST, lambda number: f"handle {number}")
    assert handle == "handle 5"
    assert isinstance(opaque, Opaque)
    with pytest.raises(AttributeError, match="'close' of a builtins:generator: this value could not be recorded"):
        opaque.close()
    assert inspect(Encoder().encode(opaque)) == Tagged("opaque", "builtins:generator", "")


LIBRARY = """
class Timeout(Exception): pass
class Fault(Exception):
    def __init__(self, text, inner): super().__init__(text); self.inner = inner
"""
SERVICE = """
class NoStock(Exception): pass
class Wrapping(Exception):
    def __init__(self, error): super().__init__("w"); self.error = error
"""


def raised(shop: Any, how: str) -> bytes:
    """The document of a service's exception, raised by the statement `how` while it handles a library's `error`."""
    names = {**vars(shop(LIBRARY, "store")), **vars(shop(SERVICE))}
    try:
        exec(f"try:\n raise Timeout('slow')\nexcept Exception as error:\n {how}", names)
    except Exception as error:
        return Encoder().encode([error, {"beside": [1]}])
    raise AssertionError


@pytest.mark.parametrize(
    ("how", "cause", "context"),
    [
        ("raise NoStock('none left') from error", "store:Timeout: slow", "store:Timeout: slow"),
        ("raise NoStock('none left') from None", None, "store:Timeout: slow"),
        ("raise NoStock('none left')", None, "store:Timeout: slow"),
        ("raise NoStock('none left') from Fault('x', error)", "store:Fault: x", "store:Timeout: slow"),
    ],
)
def test_a_cause_that_is_not_trusted_costs_only_itself(shop: Any, how: str, cause: str | None, context: str | None) -> None:
    """A repository layer raises its own exceptions while it handles a driver's; only its own have to be of a trusted package."""
    document = raised(shop, how)
    error, beside = rebuild(document, SHOP)
    assert (type(error), error.args, beside) == (sys.modules["shop"].NoStock, ("none left",), {"beside": [1]})
    assert error.__suppress_context__ is ("from" in how)
    assert (error.__cause__ and str(error.__cause__)) == cause
    assert str(error.__context__) == context


def test_what_an_exception_itself_holds_must_be_trusted(shop: Any) -> None:
    """A service may branch on it: a stand-in there could turn a replay into something else without a word."""
    with pytest.raises(NotTrusted, match=r"store:Timeout.*trust"):
        rebuild(raised(shop, "raise Wrapping(error) from error"), SHOP)


def test_a_stand_in_is_written_as_what_it_stands_for(shop: Any) -> None:
    """So that an exception handed on to an output compares equal."""
    document = raised(shop, "raise NoStock('none left') from error")
    assert inspect(Encoder().encode(rebuild(document, SHOP))) == inspect(document)


def test_as_many_stand_ins_as_anybody_needs_and_no_more(shop: Any) -> None:
    """No value has more than a hundred exceptions of foreign causes, but to have us begin again and again."""
    shop(SERVICE)
    inner = Ext(Code.TAGGED, pack(["exception", "store:Timeout", {"args": ["x"]}]))
    few = [Ext(Code.TAGGED, pack(["exception", "shop:NoStock", {"args": [], "cause": inner}])) for _ in range(90)]
    assert {str(error.__cause__) for error in rebuild(pack(few), SHOP)} == {"store:Timeout: x"}
    with pytest.raises(NotTrusted):
        rebuild(pack(few * 2), SHOP)


def test_a_cause_that_could_not_be_recorded_is_stood_in_for(shop: Any) -> None:
    """Its type's name is what is left of it."""
    shop(SERVICE)
    cause = Ext(Code.TAGGED, pack(["opaque", "store:Timeout", ""]))
    error = rebuild(tagged("exception", "shop:NoStock", {"args": ["a"], "cause": cause}), SHOP)
    assert (error.args, str(error.__cause__)) == (("a",), "store:Timeout")


def test_sub_classes_of_adapted_types_keep_class_and_fields(shop: Any) -> None:
    """A date with a field; gone back to their base they are named."""
    code = "import datetime, decimal, pathlib\nclass Day(datetime.date): pass\n"
    code += "class Money(decimal.Decimal):\n __slots__ = ('currency',)"
    module = shop(code)
    day, money = module.Day(2026, 1, 2), module.Money("1.5")
    day.note, money.currency = [1], "EUR"
    document = Encoder().encode([day, money])
    back = rebuild(document, SHOP)
    assert [type(each) for each in back] == [module.Day, module.Money]
    assert (back[0], back[0].note, back[1], back[1].currency) == (day, [1], money, "EUR")
    shop("class Day: pass\nclass Money: pass")
    with pytest.raises(TapeError, match="shop:Day doesn't derive from date any more"):
        rebuild(document, SHOP)


def test_extra_attributes_of_a_dataclass_instance_survive(shop: Any) -> None:
    """What was set beside the fields is no removed field."""
    module = shop(DATACLASS + " id: int")
    order = module.Order(1)
    order.cache = [2]
    assert rebuild(Encoder().encode([order, Plain()]), Trust(frozenset({"shop", "tests"})))[0].cache == [2]
