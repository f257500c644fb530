"""What is replayed is the working directory's code: no installed copy, no bytecode of an older file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from autoplayback.equalizer.verdict import Verdict
from autoplayback.player import origins
from tests.player.service import Service

CODE = "def load(key): return key\ndef operation(key): return load(key) * 2\n"
CONFIG = 'service: svc\noperations: [{target: "shop.core:operation"}]\ninputs: [{target: "shop.core:load"}]\n'


def project(folder: Path) -> Service:
    """A project with its package in `src`, and a copy of that installed."""
    folder.mkdir()
    service = Service(folder, "", CONFIG)
    for root in (folder / "src", folder.parent / "installed"):
        (root / "shop").mkdir(parents=True)
        (root / "shop" / "__init__.py").touch()
        (root / "shop" / "core.py").write_text(CODE)
    return service


def test_an_installed_copy_is_not_what_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaying a package as it was installed, while the one that was changed lies here, would be equal and prove nothing."""
    service = project(tmp_path / "project")
    service.record("import sys; sys.path.insert(0, 'src'); import shop.core; shop.core.operation(2)")
    installed, source = str(tmp_path / "installed"), str(tmp_path / "project" / "src")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), installed])))
    [result] = service.replay()
    assert result.verdict is Verdict.EQUAL, result  # the same code in both places
    (tmp_path / "project" / "src" / "shop" / "core.py").write_text(CODE.replace("* 2", "* 3"))
    [result] = service.replay()
    assert result.verdict is Verdict.ERROR, result
    assert "installed/shop/core.py, which differs from src/shop/core.py" in result.reason
    assert "PYTHONPATH=src" in result.reason
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([source, os.environ["PYTHONPATH"]]))
    [result] = service.replay()
    assert result.verdict is Verdict.DIFFERENT, result


def test_bytecode_of_an_older_file_is_not_run(tmp_path: Path) -> None:
    """A file of the same size, changed within the second in which the older one was compiled."""
    service = Service(tmp_path, "def load(key): return key\ndef send(value): pass\ndef operation(key): return load(key) + 1\n")
    second = 1_700_000_000
    os.utime(tmp_path / "svc.py", ns=(second * 10**9, second * 10**9))
    service.record("import sys; sys.dont_write_bytecode = False; import svc; svc.operation(2)", PYTHONDONTWRITEBYTECODE="")
    [bytecode] = (tmp_path / "__pycache__").glob("svc.*.pyc")
    os.utime(bytecode, ns=(second * 10**9 + 1000, second * 10**9 + 1000))
    service.code("def load(key): return key\ndef send(value): pass\ndef operation(key): return load(key) + 2\n")
    os.utime(tmp_path / "svc.py", ns=(second * 10**9 + 500_000_000, second * 10**9 + 500_000_000))
    done = service.run(sys.executable, "-c", "import svc; print(svc.operation(2))")
    assert done.stdout == "3\n", "Python itself runs the bytecode"
    [result] = service.replay()
    assert result.verdict is Verdict.DIFFERENT, result


def test_a_base_has_paths_of_its_own(tmp_path: Path) -> None:
    """What an environment says of the working copy's folders means the base's own; what lies elsewhere stays."""
    head, base = tmp_path / "repo", tmp_path / "base" / "tree"
    for folder in (head, base):
        (folder / "service" / "src").mkdir(parents=True)
        (folder / "common").mkdir()
    path = [str(head / "service" / "src"), str(head / "common"), str(head / "service"), "/usr/lib", str(head / "venv")]
    assert origins.moved(path, str(head / "service"), str(base / "service")) == [
        str(base / "service" / "src"), str(base / "common"), str(base / "service"), "/usr/lib", str(head / "venv")
    ]  # fmt: skip


def test_a_base_is_not_the_working_copy_again(tmp_path: Path) -> None:
    """A project in `src` that the environment has as editable: both versions are really played."""
    service = project(tmp_path / "project")
    source = f"import sys; sys.path.append({str(tmp_path / 'project' / 'src')!r})"
    service.code(source, "sitecustomize")
    (service.folder / ".gitignore").write_text(".autoplayback\n__pycache__\n")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "base"]):
        assert service.run("git", *command).returncode == 0
    service.record("import sitecustomize, sys; sys.path.insert(0, 'src'); import shop.core; shop.core.operation(2)")
    (service.folder / "src" / "shop" / "core.py").write_text(CODE.replace("* 2", "* 3"))
    replay = ["-m", "autoplayback.cli", "replay", "--base", "HEAD", "--python", os.path.relpath(sys.executable, service.folder)]
    path = os.pathsep.join(filter(None, [str(service.folder), os.environ.get("PYTHONPATH")]))
    done = service.run(sys.executable, *replay, env={"PYTHONPATH": path})
    assert done.returncode == 1, done.stdout + done.stderr
    assert "changed by this code: the base still does what was recorded" in done.stdout
