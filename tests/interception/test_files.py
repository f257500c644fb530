"""What a call with `files:` notes, through real wrappers and the real recorder: a fault costs the tape, never the call."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from autoplayback.config.settings import InputSettings, OperationSettings
from autoplayback.interception.install import Interception
from autoplayback.interception.target import Declaration, Role
from autoplayback.recorder.recorder import Recorder
from autoplayback.tape.draft import Draft
from autoplayback.tape.model import Tape
from autoplayback.tape.values import Tagged, inspect, named

SERVICE = """
import os
def operation(call, *args, **kwargs): return call(*args, **kwargs)
def read(path, mode="r"): return mode
def append(path, text):
    with open(path, "a") as file: file.write(text)
def overwrite(path, text):
    kept = os.stat(path)
    with open(path, "w") as file: file.write(text)
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
def pack(target, *sources, **options): return len(sources)
def fail(path):
    open(path, "w").close()
    raise ValueError("no")
"""


class Sink:
    def __init__(self) -> None:
        self.tapes: list[Tape] = []
        self.lost: list[str] = []

    def offer(self, draft: Draft) -> bool:
        self.tapes.append(draft.tape())
        return True

    def lose(self, reason: str) -> None:
        self.lost.append(reason)

    def left(self) -> None:
        """Sampling leaves nothing out here."""


class Everything:
    needs_tail = False

    def head(self, operation: str, metadata: Mapping[str, Any]) -> bool:
        return True

    def tail(self, operation: str, metadata: Mapping[str, Any], outcome: str, seconds: float, *, chosen: bool) -> bool:
        return True


class Running:
    """The service, recorded with all its functions' `files:` declared."""

    def __init__(self, module: Any, sink: Sink) -> None:
        self.module = module
        self.sink = sink

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.module.operation(getattr(self.module, name), *args, **kwargs)

    def noted(self) -> tuple[dict[str, Any], Any]:
        """The arguments and the value of the only call on the last tape, inert."""
        (call,) = self.sink.tapes[-1].calls
        return named(call.arguments, call.target.parameters), inspect(call.outcome.value)


@pytest.fixture
def running() -> Iterator[Running]:
    module: Any = types.ModuleType("filing")
    sys.modules["filing"] = module
    exec(compile(SERVICE, "filing.py", "exec"), vars(module))
    entries = {"read": ["path"], "append": ["path"], "overwrite": ["path"], "fail": ["path"], "pack": ["target", "sources"]}
    found = [Declaration(Role.OPERATION, "filing:operation", settings=OperationSettings(target="filing:operation"))]
    for name, files in entries.items():
        settings = InputSettings(target=f"filing:{name}", files=files)
        found.append(Declaration(Role.INPUT, f"filing:{name}", settings=settings, file_limit=1000))
    sink = Sink()
    interception = Interception(found, Recorder(sink, Everything(), dict, tape_limit=10_000))
    interception.install()
    yield Running(module, sink)
    interception.uninstall()
    del sys.modules["filing"]


def content(node: Any) -> Any:
    assert isinstance(node, Tagged)
    return node.value["content"]


def test_the_file_stands_for_its_path(running: Running, tmp_path: Path) -> None:
    """Given by position or name, as text, bytes or a path: the service gets what it gave, the tape the content."""
    path = tmp_path / "in.txt"
    path.write_text("abc")
    for given in (str(path), os.fsencode(path), path):
        assert running.call("read", given) == "r"
        assert content(running.noted()[0]["path"]) == b"abc"
        running.call("read", mode="b", path=given)
        arguments, value = running.noted()
        assert (content(arguments["path"]), value) == (b"abc", "b")


def test_a_file_is_noted_as_it_was_at_the_call(running: Running, tmp_path: Path) -> None:
    """Before and after: what the call was given stands in its arguments, what it left in its value."""
    path = tmp_path / "log.txt"
    path.write_text("one")
    assert running.call("append", path, "two") is None
    path.write_text("later")
    arguments, value = running.noted()
    assert content(arguments["path"]) == b"one"
    assert [content(file) for file in value.value["files"]["path"]] == [b"onetwo"]


def test_a_change_that_times_do_not_show_is_seen(running: Running, tmp_path: Path) -> None:
    """A file as young as the call may be written again within one step of the kernel's clock, at the same size."""
    path = tmp_path / "log.txt"
    for _ in range(20):
        path.write_text("one")
        running.call("overwrite", path, "two")
        assert [content(file) for file in running.noted()[1].value["files"]["path"]] == [b"two"]


def test_several_parameters_and_variable_ones(running: Running, tmp_path: Path) -> None:
    """Every path of `*sources` is a file of its own."""
    paths = [tmp_path / name for name in ("target", "a", "b")]
    for path in paths:
        path.write_text(path.name)
    assert running.call("pack", *paths) == 2
    arguments, value = running.noted()
    assert content(arguments["target"]) == b"target"
    assert [content(file) for file in arguments["*sources"]] == [b"a", b"b"]
    assert value == 2


def test_over_the_limit_only_size_and_digest(running: Running, tmp_path: Path) -> None:
    """The content would be too much; what tells it apart isn't."""
    path = tmp_path / "large"
    path.write_bytes(bytes(1001))
    running.call("read", path)
    file = running.noted()[0]["path"].value
    assert (file["size"], file["content"], len(file["sha256"])) == (1001, None, 64)


def test_files_count_for_the_size_of_the_tape(running: Running, tmp_path: Path) -> None:
    """Many small ones cost the tape, and the service goes on."""
    path = tmp_path / "small"
    path.write_bytes(bytes(900))
    read = running.module.read

    def often() -> int:
        return sum(len(read(path)) for _ in range(20))

    assert running.module.operation(often) == 20
    assert running.sink.tapes == []
    assert running.sink.lost == ["tape too large"]


@pytest.mark.parametrize("given", [None, 7, object(), "", "nul\0", "/dev/null", ["a", 3], "x" * 5000])
def test_what_is_no_file_costs_nothing(running: Running, given: Any) -> None:
    """Whatever a service passes there, its call goes on and its tape stays."""
    assert running.call("read", given) == "r"
    assert len(running.sink.tapes) == 1


def test_a_path_that_raises_costs_the_tape(running: Running) -> None:
    """Not even a hostile path object reaches the call."""

    class Hostile:
        def __fspath__(self) -> str:
            raise RuntimeError("mine")

    assert running.call("read", Hostile()) == "r"
    assert running.sink.tapes == []
    assert running.sink.lost == ["fault: RuntimeError"]


def test_a_call_that_raised_raises(running: Running, tmp_path: Path) -> None:
    """Its own exception, once; what it left in the file isn't kept."""
    with pytest.raises(ValueError, match="no"):
        running.call("fail", tmp_path / "x")
    assert len(running.sink.tapes) == 1


def test_arguments_python_refuses_are_refused(running: Running) -> None:
    """Too few or unknown arguments are the function's own TypeError."""
    with pytest.raises(TypeError):
        running.call("read")
    with pytest.raises(TypeError):
        running.call("append", "a", "b", "c")
