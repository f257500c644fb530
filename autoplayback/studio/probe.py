"""How would each target be intercepted? Asked in a fresh process of the service's interpreter: nothing of it runs here."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from autoplayback.errors import ConfigError, TargetError
from autoplayback.originals import open

if TYPE_CHECKING:
    from autoplayback.config.load import Configuration
    from autoplayback.config.settings import Compare, OperationSettings
    from autoplayback.interception.target import Declaration

TIMEOUT = 120.0
"""Seconds for importing the service: one that starts serving on import would else be waited for without end."""


def findings(configuration: Configuration, python: str, workdir: Path, timeout: float = TIMEOUT) -> list[dict[str, Any]]:
    """A finding for each declaration, in the config's order. Raises ConfigError where the process could not say."""
    from autoplayback.equalizer.plugins import unavailable

    environment = {key: value for key, value in os.environ.items() if key != "AUTOPLAYBACK"}
    environment["AUTOPLAYBACK_CONFIG"] = str(configuration.file)
    environment["PYTHONPATH"] = os.pathsep.join(
        os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry
    )
    # Files, not pipes: what the service starts on import may outlive the process and hold a pipe open.
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as output:
        command = [python, "-c", f"from autoplayback.bootstrap import check; check({answer.fileno()})"]
        try:
            process = subprocess.Popen(
                command, cwd=workdir, env=environment, pass_fds=[answer.fileno()], start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )
        except OSError as error:
            what = workdir if error.filename == str(workdir) else python
            raise ConfigError((None, f"{what}: {error.strerror or error}")) from None
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            text = f"importing the service took more than {timeout:g} s; does a module of it start serving on import?"
            raise ConfigError((None, text + _tail(_content(output)))) from None
        finally:
            _end(process)
        text = _content(answer)
        if not text:
            raise ConfigError((None, _without_answer(python, process.returncode, _content(output))))
    found: list[dict[str, Any]] = json.loads(text)["findings"]
    for keys, name, fault in unavailable(configuration.settings):  # asked here: comparing is this process' affair
        found.append(_absent(fault, name, str(configuration.place(*keys) or "")))
    shown = os.path.relpath(configuration.file or "")
    for finding in found:
        if finding["place"] and not shown.startswith(".."):
            finding["place"] = finding["place"].replace(str(configuration.file), shown)
    return found


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and all that it started; they are a session of their own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _without_answer(python: str, status: int, said: str) -> str:
    if "No module named 'autoplayback'" in said:
        return f"autoplayback is not installed for {python}: install it there too (`{python} -m pip install autoplayback`)"
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    return f"the service's import ended the process {how}{_tail(said)}"


def _tail(said: str) -> str:
    lines = said.strip().splitlines()[-15:]
    return "".join(f"\n    {line}" for line in lines)


def answer(fd: int, declarations: Sequence[Declaration], compares: Sequence[Compare] = ()) -> None:
    """The fresh process' part: imports what is declared, intercepts it, and writes the findings to `fd`."""
    sys.path.insert(0, os.getcwd())
    from autoplayback.interception.install import Interception

    interception = Interception(declarations, _Onlooker())
    interception.install()
    faults = {id(declaration): _fault(declaration) for declaration in declarations if not declaration.beside}
    faults |= {id(declaration): _fault(declaration) for declaration in declarations if declaration.beside and _used(declaration)}
    # What has no place isn't the user's: clock, randomness and ids, which are always answered. Libraries it doesn't use aren't.
    all_findings = interception.findings(unheard=True)
    asked = [found for found in all_findings if found.declaration.place and id(found.declaration) in faults]
    found = [_document(finding, faults[id(finding.declaration)]) for finding in asked]
    found += [document for compare in compares for document in _comparators(compare)]
    with open(fd, "w", encoding="utf-8") as stream:
        json.dump({"findings": found}, stream)
    # The service's threads and exit handlers have no part in this; its import may have started some.
    sys.stdout.flush()
    os._exit(0)


class _Onlooker:
    """An Interceptor that takes part in nothing."""

    outside = False

    def operation(self, target: Any, receiver: Any, args: Any, kwargs: Any) -> None:
        return None

    def call(self, target: Any, receiver: Any, args: Any, kwargs: Any) -> None:
        return None


def _used(declaration: Declaration) -> bool:
    """Whether anything has imported the library that a declaration is about."""
    return declaration.target.partition(":")[0].partition(".")[0] in sys.modules


def _fault(declaration: Declaration) -> str | None:
    """Imports a declaration's module; why its target, or what goes with it, can't be had."""
    from autoplayback.interception import resolve

    try:
        located = resolve.find(declaration.target)
    except TargetError as error:
        return error.reason
    except BaseException as error:  # a module may also exit the process: that is its answer
        return f"importing {declaration.target.partition(':')[0]} failed: {_raised(error)}"
    if declaration.settings is None:
        return None
    if declaration.role.value != "operation":
        return _files_fault(declaration, located)
    return _instance_fault(declaration.settings, located[0]) or _metadata_fault(declaration.settings, located[0])


def _raised(error: BaseException) -> str:
    """The exception, and the last line of the service's own code on its way."""
    elsewhere = ("<frozen", str(Path(__file__).parent.parent), sysconfig.get_paths()["stdlib"])
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(elsewhere) or "site-packages" in frame.filename]
    where = f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{where}"


def _instance_fault(settings: OperationSettings, located: Any) -> str | None:
    """Whether a replay can get at the `self` it needs."""
    if not located.method or isinstance(located.raw, classmethod):
        return None
    if settings.instance == "recorded":
        return None
    if settings.instance != "new":
        return _reference_fault(settings.instance, "instance")
    try:
        inspect.signature(located.owner).bind()
    except TypeError as error:
        return (f"a replay can't make {located.owner.__qualname__}() without arguments ({error}); "
                "add `instance: module:factory`, or `instance: recorded`")
    except ValueError:
        return None  # no signature to read: only a try would tell
    return None


def _files_fault(declaration: Declaration, located: list[Any]) -> str | None:
    """Whether each name under `files:` is a parameter, of a call whose files can be kept."""
    from autoplayback.config.nearest import suggestion
    from autoplayback.interception import resolve

    names = getattr(declaration.settings, "files", [])
    if not names:
        return None
    if declaration.codec is not None or declaration.handle:
        return "files: works for functions with a value for a result, not for presets and `returns: handle`"
    known: dict[str, int] = {}
    for one in located:
        function = list(resolve.innermost(one.raw))[-1]
        function = getattr(function, "__func__", function)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            return f"files: works for functions and coroutines; {one.qualname} is a generator"
        known |= dict(resolve.signature_of(function, receives=one.method)[0])
    if not known or inspect.Parameter.VAR_KEYWORD in known.values():
        return None
    for name in names:
        if name not in known:
            return f"files: there is no parameter {name!r}{suggestion(name, known, what='there are')}"
    return None


def _metadata_fault(settings: OperationSettings, located: Any) -> str | None:
    """Whether each metadata path begins with something that is there."""
    from autoplayback.config import paths
    from autoplayback.config.nearest import suggestion
    from autoplayback.interception import resolve

    parameters, _ = resolve.signature_of(list(resolve.innermost(located.raw))[-1], receives=located.method)
    kinds = dict(parameters)
    if not kinds or inspect.Parameter.VAR_KEYWORD in kinds.values() or settings.wsgi or settings.asgi:
        return None
    known = [*kinds, "self", "result", "error"]
    for key, path in settings.metadata.items():
        root = paths.parse(path).root
        if root not in known:
            return f"metadata {key}: there is no parameter {root!r}{suggestion(root, known, what='there are')}"
    return None


def _comparators(compare: Compare) -> list[dict[str, Any]]:
    """A finding for each plug-in of a comparison that can't be had."""
    found = []
    for name in ("comparator", "extractor", "data"):
        reference = getattr(compare, name)
        fault = reference and ":" in reference and _reference_fault(reference, name)
        if fault:
            found.append(_absent(fault, reference, None))
    return found


def _absent(fault: str, name: str, place: str | None) -> dict[str, Any]:
    return {"role": "compare", "target": name, "name": name, "matched": [], "technique": "", "warnings": [], "error": fault,
            "place": place}


def _reference_fault(reference: str, what: str) -> str | None:
    module, _, qualname = reference.partition(":")
    try:
        value: Any = importlib.import_module(module)
        for part in qualname.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError) as error:
        return f"{what} {reference}: {error}"
    return None if callable(value) else f"{what} {reference} is a {type(value).__name__}, not something to call"


def _document(finding: Any, fault: str | None) -> dict[str, Any]:
    declaration = finding.declaration
    error = fault or (str(finding.error) if finding.error else None)
    if declaration.optional and error:
        return {**_head(declaration), "matched": [], "technique": "", "warnings": [], "error": None, "absent": error}
    warnings = list(finding.warnings)
    if declaration.optional:  # that a library overrides its own methods, as its preset knows, is for nobody to mend
        warnings = [warning for warning in warnings if "intercepted" not in warning]
    return {**_head(declaration), "matched": list(finding.matched), "technique": finding.technique,
            "warnings": warnings, "error": error}


def _head(declaration: Declaration) -> dict[str, Any]:
    return {"role": declaration.role.value, "target": declaration.target, "name": declaration.name or declaration.target,
            "place": str(declaration.place) if declaration.place else None}


