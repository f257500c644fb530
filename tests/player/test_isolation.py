"""What a tape's process does to itself is its own `error`, with the cause; the next tape doesn't notice."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from autoplayback.equalizer.verdict import Verdict
from autoplayback.studio.executors import Worker
from autoplayback.tape.values import inspect
from tests.player.service import CONFIG, Service

CODE = """
import ctypes, os, signal, sys, threading, time

def load(key): return key
def send(value): pass

def operation(what):
    print("doing", what)
    load(what)
    if os.environ.get("AUTOPLAYBACK") == "record":
        return what
    if what == "hang": threading.Event().wait()
    if what == "spin":
        while True: pass
    if what == "pause": ctypes.PyDLL(None).pause()  # until a signal comes: the one that asks where it stands, too
    if what == "segfault": ctypes.string_at(0)
    if what == "exit": os._exit(7)
    if what == "sys.exit": sys.exit(3)
    if what == "abort": os.abort()
    if what == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if what == "memory":
        kept = []
        while True: kept.append(bytearray(1 << 20))
    if what == "global": STATE.append(1); return len(STATE)
    if what == "noise": print("x" * 1_000_000)
    if what == "thread": threading.Thread(target=time.sleep, args=(1000,)).start()
    return what

STATE = []
"""
BOUND = """
def bound():
    import resource
    return resource.getrlimit(resource.RLIMIT_DATA)[0]
"""


def service(folder: Path, whats: list[str], code: str = CODE) -> Service:
    made = Service(folder, code)
    made.record(f"import svc\nfor what in {whats!r}: svc.operation(what)")
    return made


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_each_cause_is_told_and_hurts_no_other(tmp_path: Path, isolation: str) -> None:
    """Hung, crashed, exited and memory-eating tapes between good ones."""
    causes = {
        "hang": "--timeout",
        "spin": "--timeout",
        "pause": "--timeout",
        "segfault": "SIGSEGV",
        "exit": "status 7",
        "abort": "SIGABRT",
        "kill": "SIGKILL",
        "memory": "--memory",  # mostly 'out of memory'; where even that has no room, the interpreter gives up
    }
    whats = ["fine", *(what for cause in causes for what in (cause, "fine")), "noise", "thread", "fine"]
    made = service(tmp_path, whats)
    results = made.replay(timeout=4, memory=400, isolation=isolation)
    for what, result in zip(whats, results, strict=True):
        if what in causes:
            assert result.verdict is Verdict.ERROR, (what, result)
            assert causes[what] in result.reason, (what, result.reason)
        else:
            assert result.verdict is Verdict.EQUAL, (what, result)
    hung = results[whats.index("hang")]
    line = next(number for number, text in enumerate(CODE.splitlines(), 1) if '== "hang"' in text)
    assert f'svc.py", line {line} in operation' in hung.reason
    assert "doing hang" in hung.reason
    assert "autoplayback/player" not in hung.reason
    assert "0x" not in hung.reason


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_process_that_hangs_before_it_can_say_a_word_is_ended_too(tmp_path: Path) -> None:
    """In what the service does after each fork: the next tape's does too, and each is told of, and gone."""
    made = service(tmp_path, ["fine", "fine"])
    made.code(CODE + "\nREAD, WRITE = os.pipe()\nos.register_at_fork(after_in_child=lambda: os.read(READ, 1))\n")
    results = made.replay(timeout=2)
    assert [result.verdict for result in results] == [Verdict.ERROR, Verdict.ERROR]
    assert all("--timeout" in result.reason for result in results)
    assert not [line for line in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in _bytes(line)]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended meanwhile
        return b""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_memory_bounds_a_tapes_process_and_not_its_host(tmp_path: Path) -> None:
    """Which goes on, whatever its size: it has rehearsed, and loads the next tape."""
    made = service(tmp_path, ["fine"], CODE.replace('    return what\n\nSTATE', '    return bound()\n\nSTATE') + BOUND)
    [tape] = made.tapes()
    worker = Worker(made.lane(memory=100), "0")
    try:
        played = worker.play(tape)
        assert played.replay is not None, played.error
        assert inspect(played.replay.outcome.value) == 100 << 20
        [host] = Path(f"/proc/{worker._process.pid}/task/{worker._process.pid}/children").read_text().split()
        assert "Max data size             unlimited" in Path(f"/proc/{host}/limits").read_text()
    finally:
        worker.stop()


def test_tapes_share_no_state(tmp_path: Path) -> None:
    """Each tape sees the service as it was imported."""
    made = service(tmp_path, ["global", "global", "global"])
    values = [played.replay.outcome.value for played in made.play() if played.replay]
    assert len(values) == 3
    assert len(set(values)) == 1


def test_sys_exit_is_the_operations_outcome(tmp_path: Path) -> None:
    """SystemExit is an exception like another: recorded returned, replay raised."""
    [result] = service(tmp_path, ["sys.exit"]).replay()
    assert result.verdict is Verdict.FAILED
    assert "SystemExit" in result.reason


def test_threads_at_import_ask_for_fresh_processes(tmp_path: Path) -> None:
    """A fork would lose the service's threads: each tape gets its own process, and the run says why."""
    code = CODE + "\nthreading.Thread(target=lambda: time.sleep(1000), name='poller', daemon=True).start()\n"
    made = service(tmp_path, ["fine", "global", "global"], code)
    results = made.replay()
    assert [result.verdict for result in results] == [Verdict.EQUAL, Verdict.DIFFERENT, Verdict.DIFFERENT]
    assert made.ready[0].isolation == "spawn"
    assert "poller" in made.ready[0].reason


def test_a_module_that_fails_to_import(tmp_path: Path) -> None:
    """Its tapes are errors with the service's own traceback."""
    made = service(tmp_path, ["fine"])
    made.code(CODE + "\ndef setup():\n    raise RuntimeError('no settings')\nsetup()\n")
    [result] = made.replay()
    assert result.verdict is Verdict.ERROR
    assert "no settings" in result.reason
    assert "in setup" in result.reason
    assert "autoplayback/player" not in result.reason


def test_an_import_that_ends_the_interpreter(tmp_path: Path) -> None:
    """Every tape is an error that says so, and the run doesn't try again and again."""
    made = service(tmp_path, ["fine"] * 4)
    made.code(CODE + "\nprint('bye'); os._exit(5)\n")
    results = made.replay()
    assert [result.verdict for result in results] == [Verdict.ERROR] * 4
    assert "status 5" in results[0].reason
    assert "bye" in results[0].reason


def test_io_at_import_is_refused_and_told(tmp_path: Path) -> None:
    """A service that connects or writes while it is imported is told so; reading its settings is its own business."""
    made = service(tmp_path, ["fine"])
    (tmp_path.parent / "settings.ini").write_text("x")
    made.code(
        CODE + "\nimport socket\nopen('../settings.ini').read()\n"
        "try: socket.create_connection(('127.0.0.1', 9))\nexcept OSError: pass\n"
    )
    [result] = made.replay()
    assert result.verdict is Verdict.EQUAL
    assert any("socket" in note for note in made.ready[0].notes)


def test_a_declared_input_at_import_is_an_error(tmp_path: Path) -> None:
    """No tape answers what is asked before the operation; the error says what to do."""
    made = Service(
        tmp_path,
        "import lib\ndef operation(): return lib.load(1)",
        CONFIG.replace("svc:load", "lib:load").replace("svc:send", "lib:send"),
    )
    made.code("def load(key): return key\ndef send(value): pass", "lib")
    made.record("import svc; svc.operation()")
    made.code("import lib\nlib.load('early')\ndef operation(): return lib.load(1)")
    [result] = made.replay()
    assert result.verdict is Verdict.ERROR
    assert "on_missing" in result.reason


def test_a_declared_target_that_is_gone_is_told(tmp_path: Path) -> None:
    """What the config wants intercepted and the code no longer has is said once, with the nearest name."""
    made = service(tmp_path, ["fine"])
    made.code(CODE.replace("def load(", "def loaded(").replace("    load(what)", "    loaded(what)"))
    [_result] = made.replay()
    assert any("svc:load" in note and "loaded" in note for note in made.ready[0].notes), made.ready


def test_an_interpreter_without_autoplayback(tmp_path: Path) -> None:
    """Says what to install, with the status of a usage error."""
    made = service(tmp_path, ["fine"])
    bare = tmp_path / "bare"
    made.run(sys.executable, "-m", "venv", "--without-pip", str(bare))
    done = made.run(
        sys.executable,
        "-m",
        "autoplayback.cli",
        "replay",
        "--python",
        str(bare / "bin" / "python"),
        env={"PYTHONPATH": ""} if not os.environ.get("PYTHONPATH") else None,
    )
    assert done.returncode == 2
    assert "pip install autoplayback" in done.stderr


def test_settings_read_at_import_are_the_recorded_ones(tmp_path: Path) -> None:
    """A service that needs a variable to be imported at all gets it as it was recorded."""
    code = CODE + "\nURL = os.environ['DATABASE_URL']\n"
    made = Service(tmp_path, code, CONFIG + "environment: [DATABASE_URL]\n")
    made.record("import svc\nsvc.operation('fine')", DATABASE_URL="postgres://x")
    [result] = made.replay()
    assert result.verdict is Verdict.EQUAL, result


def test_a_fault_of_ours_is_an_error_not_the_services(tmp_path: Path) -> None:
    """An answer that can't be rebuilt under trust is told as such, though the service swallows every exception."""
    elsewhere = tmp_path.parent / "elsewhere"
    elsewhere.mkdir()
    code = "import sys; sys.path.append('../elsewhere')\nfrom lib import load\n"
    code += "def operation():\n  try: return load(1)\n  except Exception: return None\n"
    made = Service(tmp_path, code, CONFIG.replace("svc:load", "lib:load").replace("svc:send", "lib:send"))
    made.code("import other\ndef load(key): return other.Value()\ndef send(value): pass", "lib")
    (elsewhere / "other.py").write_text("class Value:\n  def __init__(self): self.x = 1\n")
    made.record("import svc; svc.operation()")
    [result] = made.replay()
    assert result.verdict is Verdict.ERROR, result
    assert "other" in result.reason
    assert "trust" in result.reason


def test_classes_beside_the_operation_are_trusted(tmp_path: Path) -> None:
    """A service of single modules: what lies in its own folder is the code that runs, whichever module declares the targets."""
    made = Service(tmp_path, "import store\ndef operation(job): return store.load(job.number)",
                   CONFIG.replace("svc:load", "store:load").replace("svc:send", "store:send"))  # fmt: skip
    made.code("def load(key): return key\ndef send(value): pass", "store")
    made.code("class Job:\n  def __init__(self, n): self.number = n", "jobs")
    made.record("import svc, jobs; svc.operation(jobs.Job(3))")
    [result] = made.replay()
    assert result.verdict is Verdict.EQUAL, result


WAITING = """
import queue, threading

def load(key): return key
def send(value): pass

def operation(what):
    answers = queue.Queue()
    threading.Thread(target=lambda: answers.put(load(what)), daemon=True).start()
    return answers.get()
"""


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_who_waits_for_a_thread_that_a_miss_has_ended_is_told_the_miss(tmp_path: Path, isolation: str) -> None:
    """Not that it took too long: the thread that was to answer has asked what no tape knows."""
    made = service(tmp_path, ["one", "two"], WAITING)
    made.code(WAITING.replace("load(what)", "load(what.upper())"))
    for result in made.replay(timeout=60, isolation=isolation):
        assert result.verdict is Verdict.DIVERGED
        assert "was recorded only with other arguments" in result.misses[0].reason
        assert result.misses[0].site.startswith("svc.py:9")
