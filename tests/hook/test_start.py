"""What Python runs at start: one variable is enough, off means off, and nothing of ours ends somebody else's process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autoplayback import hook

HOOK = Path(hook.__file__).parent
ROOT = HOOK.parent.parent
CONFIG = "operations:\n  - target: service:work\n"
SERVICE = "def work(n):\n    return n * 2\n"
DRIVE = "import service; print(service.work(21))"
OURS = "import sys; print(sorted(m for m in sys.modules if m.startswith('autoplayback')))"


@pytest.fixture
def project(tmp_path):
    """A service and its config, in a folder of their own."""
    (tmp_path / "autoplayback.yaml").write_text(CONFIG)
    (tmp_path / "service.py").write_text(SERVICE)
    return tmp_path


def python(*arguments, folder, interpreter=sys.executable, **variables):
    """Runs Python as a user's shell would, with the folder to import from."""
    environment = {**os.environ, "PYTHONPATH": str(folder), **variables}
    return subprocess.run([interpreter, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def recorded(folder):
    """Whether anything was written under the default tapes folder."""
    return [path.name for path in (folder / ".autoplayback" / "tapes").glob("*.tapes")]


def test_one_variable_records_a_program_that_knows_nothing_of_it(project):
    """Through the .pth file of the installed package."""
    done = python("-c", DRIVE, folder=project, AUTOPLAYBACK="record")
    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")
    assert recorded(project)


@pytest.mark.parametrize("value", [None, "", "off"])
def test_off_imports_none_of_our_modules(project, value):
    """Not even the package itself: the line beside site-packages looks first."""
    variables = {} if value is None else {"AUTOPLAYBACK": value}
    assert python("-c", OURS, folder=project, **variables).stdout == "[]\n"
    assert python("-c", DRIVE, folder=project, **variables).stdout == "42\n"
    assert not recorded(project)


def test_recording_loads_nothing_of_the_tool_and_nothing_of_the_services_world(project):
    """No command line, no boto3; no thread before the first tape; and urllib3 only where a preset and the service want it."""
    code = (
        "import sys, threading; names = {m.partition('.')[0] for m in sys.modules};"
        "print(sorted(names & {'typer', 'rich', 'boto3', 'botocore', 'jinja2', 'time_machine', 'urllib3', 'sqlite3'}));"
        "print(threading.active_count())"
    )
    done = python("-c", code, folder=project, AUTOPLAYBACK="record")
    assert done.stdout.splitlines() == ["[]", "1"], done.stderr


@pytest.mark.parametrize("flags", [["-I"], ["-E"], ["-P"], ["-O"], ["-B", "-s"]])
def test_isolated_interpreters_are_recorded_too(project, flags):
    """Flags that ignore PYTHONPATH don't hide the .pth file; the environment variable is ours to read."""
    code = f"import sys; sys.path.insert(0, {str(project)!r}); {DRIVE}"
    done = python(*flags, "-c", code, folder=project, AUTOPLAYBACK="record")
    assert done.stdout == "42\n", done.stderr
    assert recorded(project)


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_children_of_multiprocessing_are_recorded(project, method):
    """Whichever way they are made."""
    (project / "parent.py").write_text(
        "import multiprocessing as mp, service\n"
        "if __name__ == '__main__':\n"
        f"    with mp.get_context({method!r}).Pool(1) as pool:\n"
        "        print(pool.map(service.work, [1, 2]))\n"
        "        pool.close(); pool.join()\n"
    )
    done = python("parent.py", folder=project, AUTOPLAYBACK="record")
    assert done.stdout == "[2, 4]\n", done.stderr
    assert recorded(project)


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
@pytest.mark.parametrize("command", [["service.py"], ["-m", "service"]])
def test_children_of_a_program_that_has_its_own_targets(project, method, command):
    """Spawned children run it again, as `__mp_main__`: its functions are held there too, and their tapes carry its real name."""
    (project / "service.py").write_text(
        "import multiprocessing as mp\n"
        "class Order:\n"
        "    def __init__(self, n): self.n = n\n"
        "def work(order): return order.n * 2\n"
        "if __name__ == '__main__':\n"
        "    print(work(Order(0)))\n"
        f"    with mp.get_context({method!r}).Pool(1) as pool:\n"
        "        print(pool.map(work, [Order(1), Order(2)]))\n"
        "        pool.close(); pool.join()\n"
    )
    done = python(*command, folder=project, AUTOPLAYBACK="record")
    assert (done.stdout, done.stderr) == ("0\n[2, 4]\n", "")
    replayed = python("-m", "autoplayback.cli", "replay", folder=project)
    assert replayed.stdout.startswith("3 tapes"), replayed.stdout
    assert ": 3 equal" in replayed.stdout


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, "autoplayback.yaml"),
        ("operations: 7\n", "autoplayback.yaml:1"),
        ("operations: [{target: service:work}]\nnonsense: 1\n", "nonsense"),
        ("operations: [{target: 'service:work'}]\ntapes: s3://\n", "s3://"),
    ],
)
def test_a_broken_config_costs_the_recording_not_the_service(project, config, said):
    """One line on stderr, and the program runs."""
    if config is None:
        (project / "autoplayback.yaml").unlink()
    else:
        (project / "autoplayback.yaml").write_text(config)
    done = python("-c", DRIVE, folder=project, AUTOPLAYBACK="record")
    assert (done.returncode, done.stdout) == (0, "42\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("autoplayback: not recording: ")
    assert said in line


def test_an_unknown_mode_is_told(project):
    """A misspelt variable must not look like a recording."""
    done = python("-c", DRIVE, folder=project, AUTOPLAYBACK="recrod")
    assert done.stdout == "42\n"
    assert "recrod" in done.stderr
    assert not recorded(project)


@pytest.mark.parametrize("fault", ["raise SystemExit(3)", "raise RuntimeError('boom')", "import nothing_of_this_name", "1/0"])
def test_whatever_happens_at_our_start_the_program_starts(project, fault, tmp_path_factory):
    """Even a SystemExit out of our own code, which Python would otherwise end on."""
    broken = tmp_path_factory.mktemp("broken")
    (broken / "autoplayback").mkdir()
    for name in ("__init__.py", "hook"):
        source = HOOK.parent / name
        (broken / "autoplayback" / name).symlink_to(source)
    (broken / "autoplayback" / "bootstrap.py").write_text(f"def start():\n    {fault}\n")
    code = f"import sys; sys.path[:0] = [{str(broken)!r}]; from autoplayback.hook import start; start(); start(); print('alive')"
    environment = {**os.environ, "AUTOPLAYBACK": "record"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environment, cwd=project, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "alive\n")
    assert done.stderr.count("\n") == 1
    assert "not recorded" in done.stderr


def test_starting_twice_records_once(project):
    """The .pth file runs twice in a virtual environment, and a sitecustomize and an import may come on top."""
    code = f"import autoplayback.auto; from autoplayback import bootstrap, hook; hook.start(); bootstrap.start(); {DRIVE}"
    done = python("-c", code, folder=project, AUTOPLAYBACK="record")
    assert (done.stdout, done.stderr) == ("42\n", "")
    listed = python("-m", "autoplayback.cli", "list", "--json", folder=project)
    assert listed.stdout.count('"tape"') == 1


def test_the_import_records_where_python_skips_site(project):
    """`import autoplayback.auto` as the first line, for -S and frozen programs."""
    paths = repr([str(project), str(ROOT), *(path for path in sys.path if "site-packages" in path)])
    code = f"import sys; sys.path[:0] = {paths}; import autoplayback.auto; {DRIVE}"
    done = python("-S", "-c", code, folder=project, AUTOPLAYBACK="record")
    assert (done.stdout, done.stderr) == ("42\n", "")
    assert recorded(project)


def test_pytest_in_a_recorded_process_has_nothing_to_warn_of(project):
    """It wants to rewrite the packages of its plug-ins, ours too, which is imported already: under `-W error` that ended it."""
    code = (
        "import sys; from _pytest.assertion.rewrite import AssertionRewritingHook\n"
        "from _pytest.config import get_config\n"
        "assert 'autoplayback' in sys.modules\n"
        "AssertionRewritingHook(get_config()).mark_rewrite('autoplayback')\n"
    )
    done = python("-W", "error", "-c", code, folder=project, AUTOPLAYBACK="record")
    assert (done.returncode, done.stderr) == (0, "")


class TestSitecustomize:
    """The way in for installs without .pth files: our folder on PYTHONPATH."""

    @pytest.fixture
    def bare(self, tmp_path_factory):
        """A virtual environment into which nothing was installed, so no .pth file either."""
        folder = tmp_path_factory.mktemp("bare")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        return folder / "bin" / "python"

    def path(self, *folders):
        """PYTHONPATH as `pip install --target` leaves it to be written: the packages, and our hook before them."""
        packages = [path for path in sys.path if path.endswith("site-packages")]
        return os.pathsep.join(map(str, [*folders, ROOT, *packages]))

    def test_it_records(self, project, bare):
        """As the .pth file would."""
        done = python("-c", DRIVE, folder=project, interpreter=bare, AUTOPLAYBACK="record", PYTHONPATH=self.path(HOOK, project))
        assert (done.stdout, done.stderr) == ("42\n", "")
        assert recorded(project)

    def test_it_runs_the_one_it_hides(self, project, bare, tmp_path_factory):
        """Debian's, or another instrument's; once, under its own name, with its own exceptions."""
        other = tmp_path_factory.mktemp("other")
        (other / "sitecustomize.py").write_text(
            "import sys; print('other', __name__, __file__ == sys.modules['sitecustomize'].__file__)\n"
        )
        done = python("-c", DRIVE, folder=project, interpreter=bare, PYTHONPATH=self.path(HOOK, project, other))
        assert (done.stdout, done.stderr) == ("other sitecustomize True\n42\n", "")
        (other / "sitecustomize.py").write_text("raise ValueError('theirs')\n")
        done = python("-c", DRIVE, folder=project, interpreter=bare, PYTHONPATH=self.path(HOOK, project, other))
        assert done.stdout == "42\n"
        assert "theirs" in done.stderr

    def test_two_of_ours_on_one_path_end(self, project, bare, tmp_path_factory):
        """A parent recorded by another install leaves its own folder on PYTHONPATH."""
        twin = tmp_path_factory.mktemp("twin")
        (twin / "sitecustomize.py").write_text((HOOK / "sitecustomize.py").read_text())
        done = python(
            "-c",
            DRIVE,
            folder=project,
            interpreter=bare,
            AUTOPLAYBACK="record",
            PYTHONPATH=self.path(HOOK, twin, HOOK, twin, project),
        )
        assert (done.stdout, done.stderr) == ("42\n", "")

    def test_an_interpreter_without_autoplayback_says_so_and_runs(self, project, bare):
        """PYTHONPATH is inherited by programs of other environments."""
        done = python(
            "-c",
            DRIVE,
            folder=project,
            interpreter=bare,
            AUTOPLAYBACK="record",
            PYTHONPATH=os.pathsep.join(map(str, [HOOK, project])),
        )
        assert done.stdout == "42\n"
        assert "not installed" in done.stderr


def test_the_wheel_and_the_editable_install_put_the_hook_beside_site_packages(tmp_path):
    """Both ways of installing end with the same line in the same place."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--wheel-dir",
            tmp_path,
            ROOT,
        ],
        check=True,
        capture_output=True,
    )
    import zipfile

    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {
        "autoplayback_init.pth",
        "autoplayback_init.start",
        "autoplayback/py.typed",
        "autoplayback/config/schema.json",
        "autoplayback/demo/shop/autoplayback.yaml",
        "autoplayback/demo/shop/after/shop.py",
    } <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "examples/"))]
    import sysconfig

    site = Path(sysconfig.get_path("purelib"))
    assert (site / "autoplayback_init.pth").read_text() == (HOOK / "autoplayback_init.pth").read_text()
