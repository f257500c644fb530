"""Matching by itself: whatever was recorded answers in any order of asking, each call once, first recorded first."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from autoplayback.config.settings import InputSettings, OutputSettings
from autoplayback.interception.target import Role, Target
from autoplayback.player.matching import Matcher
from autoplayback.tape.draft import Draft
from autoplayback.tape.values import Encoder

WINDOW = (0, 1)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.floats(0, 2) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
    max_leaves=4,
)
PARAMETERS = (("key", 1), ("limit", 1))


def target(role: Role = Role.INPUT, **rules: object) -> Target:
    kind = OutputSettings if role is Role.OUTPUT else InputSettings
    return Target(
        role, "t", "m", "t", parameters=PARAMETERS, settings=kind(target="m:t", **rules), extra={"defaults": {"limit": 0}}
    )


def recorded(on: Target, calls: list[tuple[tuple[object, ...], dict[str, object]]]) -> Matcher:
    draft = Draft("id", on, 0, {})
    for args, kwargs in calls:
        draft.call(on, None, Encoder().arguments(args, kwargs))
    return Matcher(draft.tape())


@settings(max_examples=150, deadline=None)
@given(st.lists(PLAIN, max_size=8), st.randoms())
def test_every_call_is_answered_once_in_any_order(keys: list[object], rng: object) -> None:
    """Asked in another order, by place or by name, with or without the default: all are answered, equal ones in their order."""
    on = target()
    matcher = recorded(on, [((key,), {}) for key in keys])
    asked = list(keys)
    rng.shuffle(asked)  # type: ignore[attr-defined]
    given_out: dict[bytes, list[int]] = defaultdict(list)
    for key in asked:
        form = rng.choice([((key,), {}), ((), {"key": key}), ((key, 0), {}), ((), {"limit": 0, "key": key})])  # type: ignore[attr-defined]
        found = matcher.take(on, None, Encoder().arguments(*form), WINDOW)
        assert found is not None
        assert found.tier == "exact"
        given_out[found.call.arguments].append(found.call.seq)
    assert all(numbers == sorted(numbers) for numbers in given_out.values())
    assert sorted(number for numbers in given_out.values() for number in numbers) == list(range(len(keys)))
    assert matcher.take(on, None, Encoder().arguments(("more than all",), {}), WINDOW) is None


def test_types_tell_calls_apart() -> None:
    """1, 1.0, True and "1" are four questions."""
    on = target()
    matcher = recorded(on, [((key,), {}) for key in (1, 1.0, True, "1", b"1")])
    for number, key in [(2, True), (0, 1), (4, b"1"), (1, 1.0), (3, "1")]:
        found = matcher.take(on, None, Encoder().arguments((key,), {}), WINDOW)
        assert found is not None
        assert found.call.seq == number


def test_the_same_bytes_go_before_another_form_of_the_same_question() -> None:
    """By place or by name, it is one question; who asks as it was asked gets what was answered to that."""
    on = target()
    matcher = recorded(on, [((1,), {}), ((), {"key": 1}), ((1,), {})])
    found = [matcher.take(on, None, Encoder().arguments((), {"key": 1}), WINDOW) for _ in range(4)]
    assert [one and (one.tier, one.call.seq) for one in found] == [("exact", 1), ("exact", 0), ("exact", 2), None]


def test_tiers_in_their_order() -> None:
    """Exact before relaxed; a relaxed call never takes what an exact one could still have at that moment."""
    on = target(ignore=["limit"])
    matcher = recorded(on, [(("k", 1), {}), (("k", 2), {}), (("k", 3), {})])
    tiers = []
    for limit in (2, 9, 1, 3):
        found = matcher.take(on, None, Encoder().arguments(("k", limit), {}), WINDOW)
        tiers.append(found and (found.tier, found.call.seq))
    assert tiers == [("exact", 1), ("relaxed", 0), ("relaxed", 2), None]


def test_outputs_are_answered_in_order_whatever_they_send() -> None:
    """What is sent may change: that is a difference to compare, not a question without answer."""
    on = target(Role.OUTPUT)
    matcher = recorded(on, [((key,), {}) for key in "abc"])
    found = [matcher.take(on, None, Encoder().arguments((key,), {}), WINDOW) for key in ("x", "c", "y", "z")]
    assert [one and (one.tier, one.call.seq) for one in found] == [("order", 0), ("exact", 2), ("order", 1), None]


def test_ten_thousand_calls_are_matched_quickly() -> None:
    """No scan over the recorded calls: a tape of many is played in linear time."""
    for on in (target(), target(Role.OUTPUT)):
        matcher = recorded(on, [((number,), {}) for number in range(10_000)])
        assert all(matcher.take(on, None, Encoder().arguments((number,), {}), WINDOW) for number in reversed(range(10_000)))
        assert matcher.take(on, None, Encoder().arguments((0,), {}), WINDOW) is None
