"""Which operations are recorded: shares, whole customers, budgets, tail rules, and giving way under pressure."""

import threading

import pytest

from autoplayback.config.settings import Sampling
from autoplayback.recorder.sampling import Sampler


def test_by_default_everything_is_recorded():
    """No setting, no operation left out, and no need to wait for its end."""
    sampler = Sampler(Sampling())
    assert all(sampler.head("op", {}) for _ in range(1000))
    assert not sampler.needs_tail
    assert sampler.left_out == {}


def test_a_rate_keeps_about_its_share():
    """A tenth of ten thousand, give or take what chance allows."""
    sampler = Sampler(Sampling(rate=0.1))
    kept = sum(sampler.head("op", {}) for _ in range(10_000))
    assert 800 < kept < 1200
    assert sampler.left_out == {"rate": 10_000 - kept}


def test_a_customer_is_kept_or_left_out_as_a_whole():
    """With `by`, all operations of one customer fare alike, in this process and in any other."""
    first, second = (Sampler(Sampling(rate=0.5, by="customer")) for _ in range(2))
    customers = [f"c{number}" for number in range(400)]
    fate = {customer: first.head("op", {"customer": customer}) for customer in customers}
    for customer in customers:
        assert {second.head("op", {"customer": customer}) for _ in range(5)} == {fate[customer]}
    assert 120 < sum(fate.values()) < 280


def test_a_key_known_only_at_the_end_decides_there():
    """Metadata of the result comes too late for the head: the tail leaves out the same customers the head would have."""
    sampler = Sampler(Sampling(rate=0.5, by="customer"))
    for number in range(100):
        known = {"customer": f"c{number}"}
        expected = sampler.head("op", known)
        assert sampler.head("op", {})
        assert sampler.tail("op", known, "returned", 0.1, chosen=True) is expected


def test_a_budget_bounds_each_key_by_itself(monkeypatch):
    """Three a minute for each customer, and three more in the next minute."""
    now = 0
    monkeypatch.setattr("autoplayback.recorder.sampling.monotonic_ns", lambda: now)
    sampler = Sampler(Sampling(per_minute=3, by="customer"))
    assert [sampler.head("op", {"customer": "a"}) for _ in range(5)] == [True, True, True, False, False]
    assert sampler.head("op", {"customer": "b"})
    assert sampler.left_out == {"per_minute": 2}
    now = 61_000_000_000
    assert sampler.head("op", {"customer": "a"})


def test_a_budget_holds_when_threads_come_at_once():
    """Eight threads, one budget: exactly as many as it allows get through."""
    sampler = Sampler(Sampling(per_minute=50))
    kept: list[bool] = []
    start = threading.Barrier(8)

    def ask():
        start.wait()
        kept.extend([sampler.head("op", {}) for _ in range(200)])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept.count(True) in (50, 100)  # twice where the minute turned in between


@pytest.mark.parametrize(
    ("rule", "outcome", "seconds", "kept"),
    [
        ("error", "raised", 0.1, True),
        ("error", "returned", 0.1, False),
        ("duration > 5", "returned", 5.1, True),
        ("duration > 5", "returned", 4.9, False),
        ("customer = acme", "returned", 0.1, True),
        ("customer = globex", "returned", 0.1, False),
        ("operation ~ chec*", "returned", 0.1, True),
    ],
)
def test_tail_rules_keep_what_the_head_left_out(rule, outcome, seconds, kept):
    """Errors and slow operations are worth a tape whatever the rate says."""
    sampler = Sampler(Sampling(rate=0.0, always=[rule]))
    assert sampler.needs_tail
    assert not sampler.head("checkout", {"customer": "acme"})
    assert sampler.tail("checkout", {"customer": "acme"}, outcome, seconds, chosen=False) is kept


def test_under_pressure_fewer_are_recorded_before_any_is_lost():
    """Half full: everything. Fuller: ever less. Nearly full: nothing."""
    level = 0.0
    sampler = Sampler(Sampling(), lambda: level)
    shares = []
    for level in (0.4, 0.6, 0.8, 0.96):  # noqa: B007  # the lambda reads it
        shares.append(sum(sampler.head("op", {}) for _ in range(2000)) / 2000)
    assert shares[0] == 1.0
    assert 1.0 > shares[1] > shares[2] > shares[3] == 0.0
    assert set(sampler.left_out) == {"back-off"}
