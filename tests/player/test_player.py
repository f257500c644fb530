"""What a replay says of unchanged and of changed code, through real recordings and real workers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autoplayback.equalizer.verdict import Verdict
from autoplayback.tape import payload
from autoplayback.tape.values import inspect
from tests.player.service import CONFIG, Service

SHAPES = """
import asyncio, datetime, random, secrets, uuid

class Missing(Exception):
    pass

def load(key, limit=10):
    if key == "none": raise Missing(key, 404)
    return [key, limit, ("a", 1)]

def send(value): return "sent"

async def aload(key):
    await asyncio.sleep(0)
    return {"key": key}

def rows(n):
    for i in range(n):
        yield {"row": i}
    return "end"

async def arows(n):
    for i in range(n):
        yield i
    if n == 3: raise Missing(n)

class Shop:
    rate = 2
    def __init__(self, rate=2): self.rate = rate
    def price(self, key): return len(load(key)) * self.rate
    @classmethod
    def made(cls, key): return load(key)
    @staticmethod
    def plain(key): return load(key)

def make(): return Shop(7)

def operation(key):
    try:
        found = load(key)
    except Missing as error:
        found = error.args
    send(found)
    chosen = random.choice("abc")
    return [found, list(rows(3)), random.random(), chosen, uuid.uuid4(), load("same"), load("same"), load("x", limit=3)]

async def coroutine(key):
    both = await asyncio.gather(aload(key), aload("other"))
    found = []
    try:
        async for item in arows(3): found.append(item)
    except Missing as error:
        found.append(str(error))
    return both, found

def generator(n):
    for row in rows(n):
        yield row["row"] * 2
    return "done"

async def agenerator(n):
    async for item in arows(n):
        yield item + 1

def partly():
    stream = rows(5)
    first = next(stream)
    stream.close()
    return first

def failing(key):
    load(key)
"""
SHAPES_CONFIG = """
service: svc
operations:
  - {target: "svc:operation", name: op}
  - target: "svc:coroutine"
  - target: "svc:generator"
  - target: "svc:agenerator"
  - target: "svc:partly"
  - target: "svc:failing"
  - {target: "svc:Shop.price", instance: "svc:make"}
  - target: "svc:Shop.made"
  - target: "svc:Shop.plain"
inputs:
  - target: "svc:load"
  - target: "svc:aload"
  - target: "svc:rows"
  - target: "svc:arows"
outputs: [{target: "svc:send"}]
"""
DRIVE = """
import asyncio, svc
svc.operation("k"); svc.operation("none")
asyncio.run(svc.coroutine("k"))
list(svc.generator(4))
g = svc.generator(4); next(g); g.close()
async def read(): return [x async for x in svc.agenerator(2)]
asyncio.run(read())
svc.partly()
try: svc.failing("none")
except svc.Missing: pass
svc.make().price("k"); svc.Shop.made("k"); svc.Shop.plain("k")
"""


def test_unchanged_code_is_equal_whatever_its_shape(tmp_path: Path) -> None:
    """Functions, methods, coroutines, generators of both kinds: every answer comes from the tape."""
    service = Service(tmp_path, SHAPES, SHAPES_CONFIG)
    tapes = service.record(DRIVE)
    assert len(tapes) == 11
    for result in service.replay():
        assert result.verdict is Verdict.EQUAL, result
        assert result.calls.answered == result.calls.recorded, result


def test_the_same_tape_replays_to_the_same_bytes(tmp_path: Path) -> None:
    """A tape played again and again makes the same tape but for measured times."""
    service = Service(
        tmp_path,
        SHAPES.replace(
            "uuid.uuid4()", "str(uuid.uuid4()) + secrets.token_hex() + repr({'a', 'b', 'c'}) + repr(random.Random().random())"
        ),
        SHAPES_CONFIG,
    )
    [tape] = service.record("import svc; svc.operation('k')")
    made = set()
    for played in service.play([tape] * 20):
        assert played.replay is not None, played.error
        timeless = [(call.seq, call.target, call.arguments, call.outcome) for call in played.replay.calls]
        assert played.replay.playback is not None
        made.add(repr((timeless, played.replay.outcome, replace(played.replay.playback, cpu=0))))
    assert len(made) == 1


def change(service: Service, old: str, new: str) -> None:
    text = (service.folder / "svc.py").read_text()
    assert old in text
    service.code(text.replace(old, new))


@pytest.fixture
def service(tmp_path: Path) -> Service:
    made = Service(tmp_path, SHAPES, SHAPES_CONFIG)
    made.record("import svc; svc.operation('k')")
    return made


@pytest.mark.parametrize(
    ("old", "new", "verdict", "said"),
    [
        ("send(found)\n", "send(found[:1])\n", Verdict.DIFFERENT, "outputs"),
        ("random.random()", "random.gauss(0, 1)", Verdict.DIFFERENT, "result"),
        ("found = load(key)\n", "found = load(key); raise ValueError\n", Verdict.FAILED, "raised ValueError at svc.py:"),
        ("send(found)\n", "send(found); send(1)\n", Verdict.DIVERGED, "once more than recorded"),
        ('load("x", limit=3)', 'load("x", limit=4)', Verdict.DIVERGED, "other arguments"),
        ('load("x", limit=3)', 'load("x", 3)', Verdict.EQUAL, ""),
        ('load("same"), load("same")', 'load("same", limit=10), load(key="same")', Verdict.EQUAL, ""),
        ('load("same"), load("same")', 'load("same"), load("same"), load("same")', Verdict.DIVERGED, "all 2 of 2 calls"),
        ("list(rows(3))", "[next(rows(3))]", Verdict.DIFFERENT, "result"),
    ],
)
def test_a_change_has_its_verdict(service: Service, old: str, new: str, verdict: Verdict, said: str) -> None:
    """What a change does to the operation is what the verdict says."""
    change(service, old, new)
    [result] = service.replay()
    assert result.verdict is verdict, result
    assert said in result.reason, result.reason


def test_a_swallowed_miss_still_diverges(service: Service) -> None:
    """`except Exception` and even `except BaseException` in the service can't turn a miss into a pass."""
    change(service, "    send(found)\n", "    send(found)\n    try: load('new')\n    except BaseException: pass\n")
    [result] = service.replay()
    assert result.verdict is Verdict.DIVERGED
    [miss] = result.misses
    assert miss.kind == "unanswered"
    assert miss.target == "svc:load"
    assert "key: recorded" in miss.nearest
    assert "svc.py:" in miss.site
    assert "in operation" in miss.site
    assert "inputs:\n  - target: svc:load" in miss.advice
    assert not result.differences


def test_a_miss_in_a_task_group_diverges(tmp_path: Path) -> None:
    """A group (of asyncio, and anyio's beneath each ASGI middleware) wraps the miss with what else went wrong because of it."""
    code = """
    import asyncio

    async def load(key): return [key]

    async def operation(key):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(load(key))
        return task.result()
    """
    service = Service(tmp_path, code, "operations: [{target: svc:operation}]\ninputs: [{target: svc:load}]\n")
    service.record("import asyncio, svc; asyncio.run(svc.operation('a'))")
    change(service, "load(key))", "load(key + '!'))")
    [result] = service.replay()
    assert result.verdict is Verdict.DIVERGED, result.reason
    assert result.misses[0].target == "svc:load"


def test_a_subcommand_of_click_is_an_operation(tmp_path: Path) -> None:
    """Its group calls its callback, never the command: a command line in production, its parsed arguments at replay."""
    code = """
    import click

    def load(key): return [key]

    @click.group()
    def cli(): pass

    @cli.command()
    @click.argument("key")
    @click.option("--count", default=2)
    def run(key, count):
        click.echo(load(key) * count)
    """
    service = Service(tmp_path, code, "operations: [{target: svc:run}]\ninputs: [{target: svc:load}]\n")
    service.record("import svc; svc.cli(['run', 'a'], standalone_mode=False)")
    [result] = service.replay()
    assert result.verdict is Verdict.EQUAL, result.reason
    change(service, "load(key) *", "load(key + 'b') *")
    [result] = service.replay()
    assert result.verdict is Verdict.DIVERGED


def test_a_module_imported_by_the_operation_may_probe_for_ipv6(tmp_path: Path) -> None:
    """As urllib3 does: refused like at the service's own import, it is no divergence; one by the operation's own code is."""
    code = """
    def load(key): return [key]
    def send(value): pass

    def operation(key):
        import probing
        return load(key), probing.HAS
    """
    service = Service(tmp_path, code)
    service.code(
        """
    import socket

    def probe():
        try:
            with socket.socket(socket.AF_INET6) as one:
                one.bind(("::1", 0))
            return "perhaps"
        except OSError:
            return "perhaps"

    HAS = probe()
    """,
        "probing",
    )
    service.record("import svc; svc.operation('a')")
    [result] = service.replay()
    assert result.verdict is Verdict.EQUAL, result.misses
    change(service, "probing.HAS", "probing.probe()")
    [result] = service.replay()
    assert result.verdict is Verdict.DIVERGED


def test_reading_on_past_the_recorded_reader_diverges(tmp_path: Path) -> None:
    """A stream that the recorded reader left early has no more items to give."""
    service = Service(tmp_path, SHAPES, SHAPES_CONFIG)
    service.record("import svc; svc.partly()")
    change(service, "first = next(stream)", "first = next(stream); next(stream)")
    [result] = service.replay()
    assert result.verdict is Verdict.DIVERGED
    assert result.misses[0].kind == "overread"


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ("ignore: [limit]", Verdict.EQUAL),
        ("key: [key]", Verdict.EQUAL),
        ("on_missing: {return: [x, 3, [a, 1]]}", Verdict.DIFFERENT),
        ("on_missing: call", Verdict.DIFFERENT),
        ("alias: loaded", Verdict.DIVERGED),
    ],
)
def test_rules_of_matching(service: Service, rule: str, verdict: Verdict) -> None:
    """What the config relaxes is answered; what it lets through runs; an alias given later finds the calls recorded before it."""
    change(service, 'load("x", limit=3)', 'load("x", limit=4)')
    service.config(SHAPES_CONFIG.replace('"svc:load"', f'"svc:load"\n    {rule}'))
    [result] = service.replay()
    assert result.verdict is verdict, result


def test_renamed_targets_find_their_old_calls(service: Service) -> None:
    """`was:` on an input and on an operation, after both were renamed in code and config."""
    change(service, "def load(", "def fetch(")
    change(service, "load(", "fetch(")
    change(service, "afetch", "aload")
    change(service, "def operation", "async def placed")
    service.config(
        SHAPES_CONFIG.replace('"svc:load"', '"svc:fetch"\n    was: ["svc:load"]').replace(
            '{target: "svc:operation", name: op}', '{target: "svc:placed", was: [op]}'
        )
    )
    [result] = service.replay()
    assert result.verdict is Verdict.EQUAL, result


@pytest.mark.parametrize(
    ("signature", "config", "said"),
    [
        ("key, more=1", "", None),
        ("name", "", None),
        ("*, key", "", None),
        ("more, key='k'", "", "now needs more"),
        ("", "", "no longer has"),
        ("", ", parameters: {key: null}", None),
        ("x=1, y=2, *, k", ", parameters: {key: k}", None),
    ],
)
def test_changed_entry_points_play_or_say_what_to_write(service: Service, signature: str, config: str, said: str | None) -> None:
    """An old tape meets a new signature."""
    first = signature.split(",", maxsplit=1)[0].strip(" *") if "k" not in signature.split() else "k"
    body = "" if first == "key" or "key" in signature else f"    key = {first or repr('k')}\n"
    change(service, "def operation(key):\n", f"def operation({signature}):\n{body}")
    service.config(SHAPES_CONFIG.replace("name: op", f"name: op{config}"))
    [result] = service.replay()
    if said is None:
        assert result.verdict is Verdict.EQUAL, result
    else:
        assert result.verdict is Verdict.ERROR, result
        assert said in result.reason
        assert "parameters:" in result.reason


def test_an_operation_that_is_gone(service: Service) -> None:
    """A tape whose operation the config doesn't know says how to declare it."""
    service.config(CONFIG.replace("svc:operation", "svc:partly"))
    [result] = service.replay()
    assert result.verdict is Verdict.ERROR
    assert "svc:operation" in result.reason
    assert "was: [op]" in result.reason


def test_a_clock_that_follows_the_recording(tmp_path: Path) -> None:
    """Time is the recorded time, jumps to each call's recorded end, and never goes back."""
    service = Service(
        tmp_path,
        """
        import datetime, time
        def load(key): time.sleep(0.3); return key
        def send(value): pass
        def operation():
            wall, mono, perf = [time.time()], [time.monotonic()], [time.perf_counter()]
            for key in range(2):
                load(key)
                wall.append(time.time()); mono.append(time.monotonic()); perf.append(time.perf_counter())
            return {"now": datetime.datetime.now(datetime.timezone.utc), "local": datetime.datetime.now(), "wall": wall,
                    "steps": [[b - a for a, b in zip(c, c[1:])] for c in (wall, mono, perf)]}
        """,
        CONFIG + "compare: {tolerance: {'**': {abs: 0.08, time: 0.08}}}\n",
    )
    service.record("import svc; svc.operation()", TZ="Asia/Tokyo")
    [result] = service.replay()
    assert result.verdict is Verdict.EQUAL, result
    assert result.replayed_seconds is not None
    assert result.replayed_seconds < 0.25


def test_time_is_virtual(tmp_path: Path) -> None:
    """Sleeps, timers of event loops and loops on the clock pass at once, and the same way each time."""
    service = Service(
        tmp_path,
        """
        import asyncio, time, datetime
        from time import sleep, monotonic
        def load(key): sleep(0.2); return key
        def send(value): pass
        async def waiting():
            try:
                await asyncio.wait_for(asyncio.sleep(1000 * SCALE), 100 * SCALE)
            except asyncio.TimeoutError:
                await asyncio.sleep(100 * SCALE)
            return await asyncio.wait_for(asyncio.to_thread(sum, range(100_000)), 5)
        def operation():
            began = time.time(), monotonic(), time.perf_counter_ns()
            sleep(100 * SCALE)
            deadline = time.time() + 100 * SCALE
            while time.time() < deadline: pass
            load(asyncio.run(waiting()))
            passed = time.time() - began[0], monotonic() - began[1], (time.perf_counter_ns() - began[2]) / 1e9
            # How often the event loop looks at the clock while it waits for a thread is that thread's pace: microseconds.
            return [round(seconds, 2) for seconds in passed], round(datetime.datetime.now().timestamp(), 2)
        SCALE = 0.0001
        """,
    )
    [tape] = service.record("import svc; svc.operation()")
    service.code((tmp_path / "svc.py").read_text().replace("SCALE = 0.0001", "SCALE = 1"))
    played = service.play([tape] * 5)
    outcomes = {item.replay.outcome for item in played if item.replay}
    assert len(outcomes) == 1
    seconds = inspect(outcomes.pop().value).value[0][0]  # type: ignore[union-attr]
    assert 400 < seconds < 500, seconds


def test_environment_variables_are_the_recorded_ones(tmp_path: Path) -> None:
    """Declared variables have their recorded values; each tape its own, however they follow on another."""
    service = Service(
        tmp_path,
        "import os\ndef load(k): pass\ndef send(v): pass\ndef operation(): return os.environ.get('REGION')",
        CONFIG + "environment: [REGION]\n",
    )
    service.record(
        "import os, svc\nfor r in ('eu', 'us'):\n os.environ['REGION'] = r; svc.operation()\n"
        "del os.environ['REGION']; svc.operation()"
    )
    assert [result.verdict for result in service.replay()] == [Verdict.EQUAL] * 3


def test_handles_answer_without_the_library(tmp_path: Path) -> None:
    """A connection made at import and one made in the operation are stand-ins: the database is gone and nobody minds."""
    service = Service(
        tmp_path,
        """
        import db
        shared = db.connect("main")
        def send(value): pass
        def operation(n):
            with db.connect("own") as own:
                cursor = own.cursor()
                cursor.execute("select", n)
                rows = list(cursor)
            return [rows, shared.cursor().execute("x", n).fetchone(), own.name]
        """,
        """
        service: svc
        operations: [{target: "svc:operation"}]
        inputs: [{target: "db:connect", returns: handle}]
        """,
    )
    service.code(
        """
        class Cursor:
            def execute(self, sql, n): self.rows = [(sql, i) for i in range(n)]; return self
            def fetchone(self): return self.rows.pop(0)
            def __iter__(self): return iter(self.rows)
        class Connection:
            def __init__(self, name): self.name = name
            def __enter__(self): return self
            def __exit__(self, *_): pass
            def cursor(self): return Cursor()
        def connect(name): return Connection(name)
        """,
        "db",
    )
    service.record("import svc\nfor n in (1, 2): svc.operation(n)")
    text = (tmp_path / "db.py").read_text()
    service.code(
        text.replace("return Connection(name)", "raise OSError('gone')").replace("self.rows = ", "raise OSError; self.rows = "),
        "db",
    )
    for result in service.replay():
        assert result.verdict is Verdict.EQUAL, result


def test_parallel_calls_are_told_apart(tmp_path: Path) -> None:
    """Threads that ask at once each get their own answer, in whatever order they come."""
    service = Service(
        tmp_path,
        """
        from concurrent.futures import ThreadPoolExecutor
        def load(key): return key * key
        def send(value): return value
        def operation(n):
            with ThreadPoolExecutor(8) as pool:
                return list(pool.map(load, list(range(n)) * 3)), list(pool.map(send, range(n))) if n < 0 else None
        """,
    )
    service.record("import svc; svc.operation(200)")
    for result in service.replay():
        assert result.verdict is Verdict.EQUAL, result
        assert result.calls.answered == 600


def test_a_replays_tape_is_a_tape(service: Service) -> None:
    """It can be stored and read like any other."""
    [played] = service.play()
    assert played.replay is not None
    assert payload.load(payload.dump(played.replay)) == played.replay
    assert played.replay.playback is not None
    assert played.replay.playback.ran


def test_whatever_an_operation_raises_is_its_outcome(tmp_path: Path) -> None:
    """Exceptions that are no Exception: the service's own, an exit, a cancelled task, a group."""
    service = Service(
        tmp_path,
        """
        import asyncio
        class Stop(BaseException): pass
        RAISED = {"own": Stop("stop"), "exit": SystemExit(3), "closed": GeneratorExit(),
                  "group": BaseExceptionGroup("several", [Stop()])}
        def load(key):
            raise RAISED[key]
        def send(value): pass
        def operation(key):
            return load(key)
        async def cancelled():
            asyncio.current_task().cancel()
            await asyncio.sleep(1)
        """,
        CONFIG.replace('[{target: "svc:operation"}]', '[{target: "svc:operation"}, {target: "svc:cancelled"}]'),
    )
    tapes = service.record(
        """
        import asyncio, svc
        for call in [*(lambda key=key: svc.operation(key) for key in svc.RAISED), lambda: asyncio.run(svc.cancelled())]:
            try: call()
            except BaseException: pass
        """
    )
    assert len(tapes) == 5
    for result in service.replay(tapes):
        assert result.verdict is Verdict.EQUAL, result


def test_an_expiry_of_a_long_operation_matches(tmp_path: Path) -> None:
    """A time at a distance from now, in an operation that takes longer than distances can be told in."""
    service = Service(
        tmp_path,
        """
        import datetime, time
        def load(key, **when): return key
        def send(value): return value
        def operation(n):
            time.sleep(1.3)
            expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=DAYS)
            return load(1, until=expires), load(2, until=expires.isoformat())
        DAYS = 14
        """,
    )
    service.record("import svc; svc.operation(1)")
    [result] = service.replay()
    assert result.verdict is Verdict.EQUAL, result
    change(service, "DAYS = 14", "DAYS = 15")
    [result] = service.replay()
    assert result.verdict is Verdict.DIVERGED, result


def test_the_operations_own_times_match(tmp_path: Path) -> None:
    """A `created_at` that the service makes itself is another at each run, and asks the same all the same."""
    service = Service(
        tmp_path,
        """
        import datetime, json, time
        def load(key, **when): return key
        def send(value): return value
        def operation(n):
            now = datetime.datetime.now(datetime.timezone.utc)
            body = json.dumps({"at": now.isoformat(), "n": n}).encode()
            return load(1, at=now), load(2, at=[time.time()]), load(3, at=now.isoformat()), load(4, at=body), send(now)
        """,
    )
    service.record("import svc; svc.operation(1)")
    [result] = service.replay()
    assert result.verdict is Verdict.EQUAL, result
    [played] = service.play()
    assert played.replay is not None
    assert played.replay.playback is not None
    assert [tier for _, _, tier in played.replay.playback.matched] == ["time"] * 4 + ["order"]
    change(service, "now = datetime.datetime.now(datetime.timezone.utc)", "now = datetime.datetime(2020, 1, 1)")
    [result] = service.replay()
    assert result.verdict is Verdict.DIVERGED, result


def test_a_call_that_is_let_through_may_read_and_no_more(tmp_path: Path) -> None:
    """`on_missing: call` runs the real function inside the sandbox: it reads what it needs, and acts on nothing."""
    outside = tmp_path / "outside.txt"
    outside.write_text("read")
    folder = tmp_path / "service"
    folder.mkdir()
    service = Service(
        folder,
        f"""
        def load(key):
            if key == "write": open({str(outside)!r}, "w").close()
            return open({str(outside)!r}).read()
        def send(value): pass
        def operation(): return load("recorded")
        """,
        CONFIG.replace('"svc:load"', '"svc:load", on_missing: call'),
    )
    service.record("import svc; svc.operation()")
    change(service, 'load("recorded")', 'load("recorded") if load("new") == "read" else None')
    [result] = service.replay()
    assert result.verdict is Verdict.EQUAL, result
    change(service, 'load("new")', 'load("write")')
    [result] = service.replay()
    assert result.verdict is Verdict.DIVERGED, result
    change(service, 'load("write")', f"open({str(outside)!r}).read()")
    [result] = service.replay()
    assert result.verdict is Verdict.DIVERGED, result
    assert outside.read_text() == "read"


def test_what_typed_values_need_is_there_before_the_fork(tmp_path: Path) -> None:
    """Looking through the installed packages for adapters took each tape's process forty milliseconds, for itself."""
    code = "import sys\ndef operation(): return 'autoplayback.tape.adapters.stdlib' in sys.modules"
    service = Service(tmp_path, code, 'operations: [{target: "svc:operation"}]')
    service.record("import svc; svc.operation()")
    (played,) = service.play()
    assert played.replay is not None
    assert inspect(played.replay.outcome.value) is True
