"""The recorder behind real wrappers: what lands on a tape, what doesn't, and that the service never feels it."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
import types
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import autoplayback
from autoplayback.config.settings import InputSettings, OperationSettings, OutputSettings
from autoplayback.interception.context import Scope
from autoplayback.interception.install import Interception
from autoplayback.interception.target import Declaration, Role
from autoplayback.recorder.passages import OperationPassage
from autoplayback.recorder.recorder import Recorder
from autoplayback.tape.draft import CallDraft, Draft
from autoplayback.tape.model import End, Tape
from autoplayback.tape.values import Encoder, inspect, named

SERVICE = '''
import asyncio, threading

class Refused(Exception):
    pass

def place(order, load=True):
    stock = read(order["item"]) if load else None
    if stock == 0:
        raise Refused(order["item"])
    send(order["customer"], total=stock)
    return {"total": stock}

def read(item):
    return {"apple": 3, "pear": 0, "grain": 2**70}.get(item, [item])

def send(customer, total):
    return "sent"

def outer(order):
    return place(order)

def mutate(item):
    value = read(item)
    value.append("later")
    return value

def threaded(items):
    results = []
    threads = [threading.Thread(target=lambda i=i: results.append(read(i))) for i in items]
    for t in threads: t.start()
    for t in threads: t.join()
    return sorted(map(str, results))

async def gather(items):
    return await asyncio.gather(*(aread(i) for i in items))

async def aread(item):
    await asyncio.sleep(0)
    return read(item)

def numbers(n):
    for i in range(n):
        yield i

def total(n, stop=None):
    seen = 0
    for i in numbers(n):
        if i == stop:
            break
        seen += i
    return seen
'''


class Sink:
    """A spool that keeps drafts in a list."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.losses: list[str] = []

    def offer(self, draft: Draft) -> bool:
        self.drafts.append(draft)
        return True

    def lose(self, reason: str) -> None:
        self.losses.append(reason)

    def left(self) -> None:
        """Nothing is on disk here."""

    @property
    def tapes(self) -> list[Tape]:
        return [draft.tape() for draft in self.drafts]


class Everything:
    """A sampler that takes all, or nothing at the head, or only what `tail` is told to."""

    def __init__(self, *, head: bool = True, needs_tail: bool = False) -> None:
        self.chosen = head
        self.needs_tail = needs_tail

    def head(self, operation: str, metadata: Mapping[str, Any]) -> bool:
        return self.chosen

    def tail(self, operation: str, metadata: Mapping[str, Any], outcome: str, seconds: float, *, chosen: bool) -> bool:
        return chosen or outcome == "raised"


class Recorded:
    """The service above, recorded."""

    def __init__(self, sampler: Everything | None = None, tape_limit: int = 1 << 20) -> None:
        self.service: Any = types.ModuleType("recorded_shop")
        exec(compile(SERVICE, "recorded_shop.py", "exec"), self.service.__dict__)
        sys.modules["recorded_shop"] = self.service
        self.sink = Sink()
        self.recorder = Recorder(self.sink, sampler or Everything(), lambda: {"service": "shop"}, tape_limit=tape_limit)
        operation = {"metadata": {"item": "order.item", "total": "result.total", "failure": "error"}}
        self.interception = Interception(
            [
                *(
                    Declaration(Role.OPERATION, f"recorded_shop:{name}", name, settings=OperationSettings(target="x:y", **extra))
                    for name, extra in {
                        "place": operation, "outer": {}, "mutate": {}, "threaded": {}, "gather": {}, "total": {},
                    }.items()
                ),
                *(
                    Declaration(Role.INPUT, f"recorded_shop:{name}", name, settings=InputSettings(target="x:y"))
                    for name in ("read", "aread", "numbers")
                ),
                Declaration(Role.OUTPUT, "recorded_shop:send", "send", settings=OutputSettings(target="x:y")),
            ],
            self.recorder,
        )
        self.interception.install()


@pytest.fixture
def shop() -> Iterator[Recorded]:
    recorded = Recorded()
    yield recorded
    recorded.interception.uninstall()
    del sys.modules["recorded_shop"]


def calls(tape: Tape) -> list[tuple[str, Any, Any]]:
    found = []
    for call in tape.calls:
        result = inspect(call.outcome.value) if call.outcome.value else None
        found.append((call.target.name, named(call.arguments, call.target.parameters), result))
    return found


def test_an_operation_becomes_one_tape(shop: Recorded) -> None:
    """Entry arguments, calls by name and in order, outcome and metadata are on the tape; the caller sees no difference."""
    assert shop.service.place({"item": "apple", "customer": "acme"}) == {"total": 3}
    (tape,) = shop.sink.tapes
    assert tape.operation == "place"
    assert named(tape.arguments, tape.target.parameters) == {"order": {"item": "apple", "customer": "acme"}}
    assert calls(tape) == [("read", {"item": "apple"}, 3), ("send", {"customer": "acme", "total": 3}, "sent")]
    assert tape.outcome.end is End.RETURNED
    assert inspect(tape.outcome.value) == {"total": 3}
    assert tape.metadata == {"item": "apple", "total": 3}


def test_the_operations_own_times_lie_within_it(shop: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long its tape takes to set up, as a process's first does: a time it makes is its own by when it began and ended."""

    class Slow(Encoder):
        def __init__(self, *args: Any) -> None:
            time.sleep(0.02)
            super().__init__(*args)

    monkeypatch.setattr("autoplayback.recorder.scope.Encoder", Slow)
    shop.service.read = lambda item: time.time_ns()
    now = shop.service.place({"item": "apple", "customer": "acme"})["total"]
    (tape,) = shop.sink.tapes
    assert tape.started <= now <= tape.started + tape.duration


def test_a_raised_error_is_noted_and_raised_on(shop: Recorded) -> None:
    """The caller gets the very exception; the tape says which."""
    with pytest.raises(shop.service.Refused) as caught:
        shop.service.place({"item": "pear", "customer": "acme"})
    (tape,) = shop.sink.tapes
    assert caught.value.args == ("pear",)
    assert tape.outcome.end is End.RAISED
    assert tape.metadata == {"item": "pear", "failure": "Refused"}


def test_only_the_outermost_operation_makes_a_tape(shop: Recorded) -> None:
    """An operation inside an operation is just code."""
    shop.service.outer({"item": "apple", "customer": "acme"})
    assert [tape.operation for tape in shop.sink.tapes] == ["outer"]


def test_outside_operations_nothing_is_noted(shop: Recorded) -> None:
    """A declared input called by nobody's operation is just a function."""
    assert shop.service.read("apple") == 3
    assert shop.sink.drafts == []


def test_values_are_as_they_were_at_the_call(shop: Recorded) -> None:
    """What the service does to a value later can't reach the tape."""
    assert shop.service.mutate("x") == ["x", "later"]
    (tape,) = shop.sink.tapes
    assert calls(tape) == [("read", {"item": "x"}, ["x"])]


def test_a_number_of_any_size_is_a_result_like_others(shop: Recorded) -> None:
    """MessagePack's own have 64 bits."""
    assert shop.service.place({"item": "grain", "customer": "ann"}) == {"total": 2**70}
    (tape,) = shop.sink.tapes
    assert calls(tape)[0] == ("read", {"item": "grain"}, 2**70)


def test_threads_and_tasks_of_an_operation_are_on_its_tape(shop: Recorded) -> None:
    """Threads inherit the operation they are started in; tasks too, and I/O within I/O is the outer call's business."""
    shop.service.threaded(["a", "b", "c"])
    assert asyncio.run(shop.service.gather(["d", "e"])) == [["d"], ["e"]]
    threaded, gathered = shop.sink.tapes
    assert sorted(arguments["item"] for _, arguments, _ in calls(threaded)) == ["a", "b", "c"]
    assert [(name, arguments["item"]) for name, arguments, _ in calls(gathered)] == [("aread", "d"), ("aread", "e")]


def test_concurrent_operations_keep_their_calls_apart(shop: Recorded) -> None:
    """Eight threads at a time, each operation's calls are its own."""
    with_items = [f"item{n}" for n in range(64)]
    threads = [threading.Thread(target=shop.service.mutate, args=(item,)) for item in with_items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = {}
    for tape in shop.sink.tapes:
        ((_, arguments, result),) = calls(tape)
        entry = named(tape.arguments, tape.target.parameters)["item"]
        assert arguments["item"] == entry
        assert result == [entry]
        seen[entry] = tape.id
    assert sorted(seen) == sorted(with_items)


@pytest.mark.parametrize(("stop", "end", "items"), [(None, End.RETURNED, 5), (2, End.CLOSED, 3)])
def test_a_stream_is_noted_item_by_item(shop: Recorded, stop: int | None, end: End, items: int) -> None:
    """As far as it was read, and how it ended."""
    shop.service.total(5, stop)
    (tape,) = shop.sink.tapes
    (call,) = tape.calls
    assert call.outcome.end is end
    assert call.outcome.items is not None
    assert [inspect(item) for item in call.outcome.items] == list(range(items))


def test_a_tape_over_its_bound_is_dropped_whole(shop: Recorded) -> None:
    """The operation goes on as if nothing were there, and the loss is counted once."""
    shop.recorder.tape_limit = 1000
    assert len(shop.service.threaded(["x" * 400] * 5)) == 5
    assert shop.sink.drafts == []
    assert shop.sink.losses == ["tape too large"]


def test_a_written_tape_leaves_no_memory_to_the_garbage_collector(shop: Recorded) -> None:
    """A service may have switched the collector off, or let it run rarely: what an operation held is free with its draft."""
    place, total = shop.service.place, shop.service.total
    place({"item": "apple", "customer": "ann"})
    shop.sink.drafts.clear()
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            place({"item": "apple", "customer": "ann"})
            total(5, stop=2)
        assert len(shop.sink.drafts) == 6
        shop.sink.drafts.clear()
        gc.set_debug(gc.DEBUG_SAVEALL)  # what is garbage now is kept to be looked at
        gc.collect()
        recorded = (Draft, CallDraft, Scope, OperationPassage)
        assert [found for found in gc.garbage if isinstance(found, recorded)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_a_fault_of_ours_costs_the_tape_not_the_request(shop: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder breaking in the middle of an operation reaches nobody but the counter."""
    from autoplayback.tape.values import Encoder

    healthy = Encoder.encode

    def broken(self: Encoder, value: Any) -> bytes:
        if value == ["plum"]:
            raise MemoryError("no room")
        return healthy(self, value)

    monkeypatch.setattr(Encoder, "encode", broken)
    assert shop.service.place({"item": "plum", "customer": "acme"}) == {"total": ["plum"]}
    assert shop.sink.drafts == []
    assert shop.sink.losses == ["fault: MemoryError"]


def test_a_fork_inside_an_operation_makes_no_second_tape(shop: Recorded) -> None:
    """Both processes come to the operation's end; the tape is that of the process which began it."""

    def forking(order: Any) -> int:
        pid = os.fork()
        if pid == 0:
            return 0
        return pid

    shop.service.forking = forking
    declared = Declaration(Role.OPERATION, "recorded_shop:forking", "forking", settings=OperationSettings(target="x:y"))
    interception = Interception([declared], shop.recorder)
    interception.install()
    try:
        child = shop.service.forking(1)
        if child == 0:
            os._exit(len(shop.sink.drafts))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(shop.sink.drafts) == 1
    finally:
        interception.uninstall()


@pytest.mark.parametrize("inside_a_call", [False, True])
def test_a_worker_forked_inside_an_operation_records_its_own(shop: Recorded, inside_a_call: bool) -> None:
    """A pool of processes made lazily, by a request: its workers belong to no request, and keep nothing of that one."""

    def worker() -> int:
        pid = os.fork()
        if pid:
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        for _ in range(3):
            shop.service.place({"item": "apple", "customer": "acme"})
        os._exit(len(shop.sink.drafts))

    shop.service.worker = worker

    def forking() -> int:
        result: int = shop.service.worker()
        return result

    shop.service.forking = forking
    declared = [Declaration(Role.OPERATION, "recorded_shop:forking", "forking", settings=OperationSettings(target="x:y"))]
    if inside_a_call:
        declared.append(Declaration(Role.INPUT, "recorded_shop:worker", "worker", settings=InputSettings(target="x:y")))
    interception = Interception(declared, shop.recorder)
    interception.install()
    try:
        assert shop.service.forking() == 3
        assert [draft.operation for draft in shop.sink.drafts] == ["forking"]
    finally:
        interception.uninstall()


def test_what_sampling_leaves_out_hides_no_inner_operation() -> None:
    """An operation that isn't sampled still is the outermost one: what runs inside it makes no tape of its own."""
    recorded = Recorded(Everything(head=False))
    try:
        recorded.service.outer({"item": "apple", "customer": "acme"})
        assert recorded.sink.drafts == []
    finally:
        recorded.interception.uninstall()


def test_tail_rules_keep_what_the_head_left_out() -> None:
    """Where `always:` may want an operation for how it ended, it is recorded to its end, then kept or not."""
    recorded = Recorded(Everything(head=False, needs_tail=True))
    try:
        recorded.service.place({"item": "apple", "customer": "acme"})
        with pytest.raises(recorded.service.Refused):
            recorded.service.place({"item": "pear", "customer": "acme"})
        assert [tape.outcome.end for tape in recorded.sink.tapes] == [End.RAISED]
    finally:
        recorded.interception.uninstall()


def test_the_service_can_speak_of_its_operation(shop: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """annotate, note, keep, discard and current_tape_id act on the operation they are called in, and on none outside."""
    ids = []

    def read(item: str) -> int:
        return 1

    def speaking(order: Any) -> Any:
        autoplayback.annotate(region="north", odd=[1])
        autoplayback.note("plan", {"a": 1})
        ids.append(autoplayback.current_tape_id())
        if order == "secret":
            autoplayback.discard()
        return order

    shop.service.speaking = speaking
    declared = Declaration(Role.OPERATION, "recorded_shop:speaking", "speaking", settings=OperationSettings(target="x:y"))
    interception = Interception([declared], shop.recorder)
    interception.install()
    try:
        shop.service.speaking("open")
        shop.service.speaking("secret")
        autoplayback.annotate(lost=True)
    finally:
        interception.uninstall()
    (tape,) = shop.sink.tapes
    assert tape.metadata == {"region": "north", "odd": "[1]"}
    assert [(key, inspect(value)) for key, value in tape.notes] == [("plan", {"a": 1})]
    assert ids[0] == tape.id
    assert autoplayback.current_tape_id() is None
