"""Modules are heard of whenever and however they come."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
import threading
import traceback
import warnings
import zipfile

import pytest


def calls(notebook, function):
    """How many calls are heard while this runs."""
    with notebook.open() as page:
        function()
    return len(page.calls)


def test_before_after_reload_and_again(service, intercept, notebook):
    """A module imported before, later, reloaded, or removed and imported again."""
    early = service.module("def f(): return 1")
    late = service.write("def f(): return 2")
    intercept(f"{early.__name__}:f", f"{late}:f")
    assert calls(notebook, early.f) == 1
    m = importlib.import_module(late)
    assert calls(notebook, m.f) == 1
    old = m.f
    importlib.reload(m)
    assert m.f is not old
    assert calls(notebook, m.f) == 1
    del sys.modules[late]
    again = importlib.import_module(late)
    assert again is not m
    assert calls(notebook, again.f) == 1


def test_from_import_in_a_circle(service, intercept, notebook):
    """The half-imported module's function is taken before anyone could patch it, and heard all the same."""
    service.write(
        """
        def f(): return 1
        import service_b
    """,
        "service_a",
    )
    service.write("from service_a import f\ndef use(): return f()", "service_b")
    intercept("service_a:f")
    a = importlib.import_module("service_a")
    assert calls(notebook, a.service_b.use) == 1


def test_packages_namespaces_and_lazy_attributes(service, intercept, notebook):
    """A module in a namespace package; a submodule; a name that a package loads when asked."""
    service.write("def f(): return 1", "service_ns.part.mod")
    service.write("", "service_pkg.__init__")
    service.write("def f(): return 2", "service_pkg.sub")
    service.write(
        """
        def __getattr__(name):
            if name == "f":
                from service_pkg.sub import f
                return f
            raise AttributeError(name)
    """,
        "service_lazy",
    )
    intercept("service_ns.part.mod:f", "service_lazy:f")
    assert calls(notebook, importlib.import_module("service_ns.part.mod").f) == 1
    assert calls(notebook, importlib.import_module("service_lazy").f) == 1


def test_zipapps(service, intercept, notebook, monkeypatch, tmp_path):
    """Zip imports come through the same door."""
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("service_zipped.py", "def f(): return 3")
    monkeypatch.syspath_prepend(str(tmp_path / "app.zip"))
    intercept("service_zipped:f")
    assert calls(notebook, importlib.import_module("service_zipped").f) == 1


def test_the_module_shows_nothing_of_it(service, intercept):
    """Its loader and spec are what they would have been."""
    name = service.write("def f(): return 1")
    intercept(f"{name}:f")
    m = importlib.import_module(name)
    assert type(m.__loader__).__name__ == type(m.__spec__.loader).__name__ == "SourceFileLoader"
    assert importlib.util.find_spec(name).loader is m.__loader__


def test_a_broken_module_breaks_as_it_did(service, intercept):
    """Its own exception, from its own line; the next try works."""
    name = service.write("def f(): return 1\nraise ValueError('mine')")
    intercept(f"{name}:f")
    with pytest.raises(ValueError, match="mine"):
        importlib.import_module(name)
    assert name not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("service_that_is_not_there")


def test_what_a_module_says_at_its_import_is_said_as_it_was(service, intercept):
    """The traceback of its exception has no line of the import system's, and a warning for its importer names that one."""
    broken = service.write("def f(): return 1\nraise ValueError('mine')")
    misspelt = service.write("def f(: return 1")
    old = service.write("import warnings\ndef f(): return 1\nwarnings.warn('old', DeprecationWarning, stacklevel=2)")
    importer = service.write(f"import {old}")

    def said():
        heard = []
        for name in (broken, misspelt):
            with pytest.raises((ValueError, SyntaxError)) as caught:
                exec(f"import {name}")
            heard.append([(frame.filename, frame.lineno) for frame in traceback.extract_tb(caught.value.__traceback__)])
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            importlib.import_module(importer)
        for name in (importer, old):
            del sys.modules[name]
        return heard, [(warning.filename, warning.lineno) for warning in seen]

    before = said()
    assert before[1] == [(str(service.folder / f"{importer}.py"), 1)]
    intercept(f"{broken}:f", f"{misspelt}:f", f"{old}:f")
    assert said() == before


def test_a_fault_of_ours_doesnt_break_an_import(service, intercept, capfd, monkeypatch):
    """It is said once, and the import goes on."""
    from autoplayback.interception import techniques

    def broken(*_):
        raise RuntimeError("our bug")

    monkeypatch.setattr(techniques, "hold", broken)
    name = service.write("def f(): return 1")
    intercept(f"{name}:f")
    assert importlib.import_module(name).f() == 1
    assert capfd.readouterr().err.count("our bug") == 1


def test_parallel_imports(service, intercept, notebook):
    """Two threads import two modules that need each other's locks; nothing hangs."""
    names = [service.write(f"import time\ntime.sleep(.01)\ndef f(): return {n}") for n in range(8)]
    intercept(*(f"{name}:f" for name in names))
    threads = [threading.Thread(target=importlib.import_module, args=(name,)) for name in names for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert [calls(notebook, sys.modules[name].f) for name in names] == [1] * 8


def test_half_imported_when_we_come(service, notebook, intercept):
    """Installed from within a module's own import: its targets are held once it is done."""
    service.write(
        """
        import builtins
        builtins.install_now()
        def f(): return 1
    """,
        "service_half",
    )
    service.write("", "service_other")
    import builtins

    builtins.install_now = lambda: intercept("service_half:f")
    try:
        m = importlib.import_module("service_half")
    finally:
        del builtins.install_now
    importlib.import_module("service_other")
    assert calls(notebook, m.f) == 1


PROGRAM = """
import sys
def place(n):
    return 2 * n
class Shop:
    def open(self): return "open"
if __name__ == "__main__":
    print(place(2), Shop().open(), __name__, sys.argv[1:])
    if sys.argv[1:]:
        raise SystemExit(int(sys.argv[1])) if sys.argv[1].isdigit() else ValueError(sys.argv[1])
"""

HOOK = """
from autoplayback.interception.install import Interception
from autoplayback.interception.target import Declaration, Role
class Interceptor:
    def operation(self, target, receiver, args, kwargs):
        print("heard", target.name, args, flush=True)
Interception([Declaration(Role.OPERATION, f"program:{name}") for name in ("place", "Shop.open")], Interceptor()).install()
"""


@pytest.mark.parametrize("command", [["program.py"], ["-m", "program"]])
@pytest.mark.parametrize("argument", ["", "3", "boom"])
def test_the_program_itself(tmp_path, command, argument):
    """`python app.py` and `python -m app`: functions of `__main__` are held before the program's last lines call them."""
    (tmp_path / "program.py").write_text(PROGRAM)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    import autoplayback

    root = str(importlib.import_module("pathlib").Path(autoplayback.__file__).parents[1])
    words = [sys.executable, *command, *filter(None, [argument])]
    plain = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    (hooks / "sitecustomize.py").write_text(textwrap.dedent(HOOK))
    env = {"PYTHONPATH": f"{hooks}:{root}", "PATH": "/usr/bin:/bin"}
    held = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=env)
    assert held.stdout.splitlines() == ["heard program:place (2,)", "heard program:Shop.open ()", *plain.stdout.splitlines()]
    assert held.returncode == plain.returncode
    if argument == "boom":
        assert held.stderr.splitlines()[-2:] == plain.stderr.splitlines()[-2:]
        assert "script.py" not in held.stderr
    else:
        assert held.stderr == plain.stderr
