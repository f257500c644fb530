"""Conditions, spans, shares, moments and targets, as the config and the flags write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from autoplayback.config import notations
from autoplayback.config.notations import Condition, NotationError


@pytest.mark.parametrize(("text", "seconds"), [
    ("7d", 604800), ("2h", 7200), ("1.5m", 90), ("90s", 90), ("5", 5), ("200ms", 0.2), ("1w", 604800),
])
def test_spans(text: str, seconds: float) -> None:
    """A length of time, in seconds."""
    assert notations.span(text) == pytest.approx(seconds)


def test_moments_are_dates_times_or_so_long_ago() -> None:
    """Exact to the microsecond; a time with a zone is that instant wherever one is."""
    now = 1_800_000_000 * 10**9
    assert notations.moment("1h", now) == now - 3600 * 10**9
    noon = int(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp())
    assert notations.moment("2026-11-01T12:00:00.000001+00:00", now) == noon * 10**9 + 1000
    assert notations.moment("2026-11-01", now) < notations.moment("2026-11-02", now)


@pytest.mark.parametrize(("function", "text"), [
    (notations.span, "7 days"), (notations.span, ""), (notations.moment, "yesterday"), (notations.moment, "2026-13-01"),
    (notations.share, "5%%"), (notations.share, "-1"), (notations.condition, ""), (notations.condition, "=x"),
    (notations.condition, "a >"),
    (notations.filter_condition, "error"),
])
def test_what_is_in_no_notation_is_refused(function: Any, text: str) -> None:
    """With a reason, never with another exception."""
    with pytest.raises(NotationError):
        function(text) if function is not notations.moment else function(text, 0)


@pytest.mark.parametrize(("text", "value", "holds"), [
    ("customer=acme", "acme", True),
    ("customer = acme", "acme", True),
    ("customer=acme,globex", "globex", True),
    ("customer=acme", None, False),
    ("customer!=acme", None, True),
    ("customer!=acme,globex", "globex", False),
    ("total=100", 100.0, True),
    ("total=1e2", 100, True),
    ("total>99.5", 100, True),
    ("total>=100", 100, True),
    ("total<100", 100, False),
    ("total>9", None, False),
    ("code>9", "10", True),
    ("name>b", "c", True),
    ("duration > 5", 6.0, True),
    ("duration > 200ms", 0.3, True),
    ("path~/api/*", "/api/orders", True),
    ("path~/api/*,/web/*", "/web/x", True),
    ("path~/api/*", None, False),
    ("vip=true", True, True),
    ("vip=True", True, True),
    ("vip=1", True, False),
    ("note=a=b", "a=b", True),
    ("url=http://x/?a>b", "http://x/?a>b", True),
    ("customer=", "", True),
    ("error", True, True),
    ("error", None, False),
])
def test_conditions(text: str, value: Any, holds: bool) -> None:
    """Numbers compare as numbers, even written as text; what isn't there fulfils only `!=`."""
    assert notations.condition(text).holds(value) is holds


def test_a_condition_is_a_value() -> None:
    """Any-of only where it makes sense: a comma belongs to what `<` compares with."""
    assert notations.condition("a=1,2") == Condition("a", "=", ("1", "2"))
    assert notations.condition("a<1,2") == Condition("a", "<", ("1,2",))


@pytest.mark.parametrize(("function", "text", "result"), [
    (notations.target, "orders.repo:Repo.load_*", ("orders.repo", "Repo.load_*")),
    (notations.target, "m:[gs]et", ("m", "[gs]et")),
    (notations.reference, "a.b:C.d", ("a.b", "C.d")),
    (notations.application, "shop:create_app()", ("shop", "create_app", True)),
    (notations.application, "shop.web:app", ("shop.web", "app", False)),
])
def test_targets(function: Any, text: str, result: tuple[Any, ...]) -> None:
    """The notation of Python's entry points, a glob in the last part, gunicorn's factories."""
    assert function(text) == result


@pytest.mark.parametrize(("function", "text", "offset", "said"), [
    (notations.target, "orders.checkout.Checkout.place", 0, "orders.checkout:Checkout.place"),
    (notations.target, "orders.mail.send", 0, "orders.mail:send"),
    (notations.target, "orders", 0, "package.module:function"),
    (notations.target, "or-ders:f", 2, "or-ders"),
    (notations.target, ":f", 0, "missing"),
    (notations.target, "m:", 2, "missing"),
    (notations.target, "m:a*.b", 2, "last part"),
    (notations.reference, "m:load_*", 7, "glob"),
    (notations.target, "m:f()", 3, "f()"),
    (notations.application, "m:make(1)", 6, "make()"),
])
def test_bad_targets_say_where_and_what_to_write(function: Any, text: str, offset: int, said: str) -> None:
    """The offset becomes a column; the text names what was probably meant."""
    with pytest.raises(NotationError) as caught:
        function(text)
    assert caught.value.offset == offset
    assert said in caught.value.reason
