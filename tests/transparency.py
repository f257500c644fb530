"""Runs the test suites of well-known libraries with recording on, and compares what passes with a run without.

    python tests/transparency.py [flask] [httpx] [anyio] [--keep FOLDER]

Every test function of a library is declared an operation and the library's own public functions are its inputs, so that each
test runs recorded, with the wrappers under its feet. Nothing of the suites is changed. A test that passes without us and not
with us is named, and makes the exit status 1; one that fails now and then is tried again in both ways first.

Two of anyio's tests give a whole pytest of their own three seconds. Recorded, its start reads a YAML of a thousand targets first:
on a busy machine, where they fail unrecorded too now and then, that is too long. With sixty seconds both pass recorded.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Library:
    """A library, what its tests need beside it, and which of its functions are recorded."""

    name: str
    version: str
    requires: tuple[str, ...]
    inputs: tuple[str, ...]
    arguments: tuple[str, ...] = ()


LIBRARIES = (
    Library(
        "flask",
        "3.1.3",
        ("pytest<9", "asgiref", "python-dotenv"),
        (
            "flask.app:Flask.*",
            "flask.sansio.app:App.*",
            "flask.sansio.scaffold:Scaffold.*",
            "flask.blueprints:Blueprint.*",
            "flask.sansio.blueprints:Blueprint.*",
            "flask.helpers:*",
            "flask.json:*",
            "flask.templating:*",
            "flask.config:Config.*",
            "flask.testing:FlaskClient.*",
            "flask.sessions:SecureCookieSessionInterface.*",
            "flask.views:View.*",
            "flask.cli:*",
            "flask.ctx:AppContext.*",
            "flask.ctx:RequestContext.*",
            "flask.json.tag:TaggedJSONSerializer.*",
        ),
    ),
    Library(
        "httpx",
        "0.28.1",
        ("pytest<9", "httpx[brotli,cli,http2,socks,zstd]==0.28.1", "anyio", "chardet", "trio", "trustme", "uvicorn"),
        (
            "httpx:*",
            "httpx._client:Client.*",
            "httpx._client:AsyncClient.*",
            "httpx._client:BaseClient.*",
            "httpx._models:Request.*",
            "httpx._models:Response.*",
            "httpx._models:Headers.*",
            "httpx._models:Cookies.*",
            "httpx._urls:URL.*",
            "httpx._urls:QueryParams.*",
            "httpx._urlparse:*",
            "httpx._utils:*",
            "httpx._content:*",
            "httpx._multipart:MultipartStream.*",
            "httpx._auth:DigestAuth.*",
            "httpx._decoders:*",
            "httpx._transports.mock:MockTransport.*",
            "httpx._transports.default:HTTPTransport.*",
            "httpx._transports.asgi:ASGITransport.*",
            "httpx._transports.wsgi:WSGITransport.*",
        ),
    ),
    Library(
        "anyio",
        "4.16.0",
        (
            "pytest>=9",
            "pytest-timeout",
            "trio",
            "blockbuster",
            "exceptiongroup",
            "hypothesis",
            "psutil",
            "pytest-mock",
            "trustme",
            "truststore",
        ),
        (
            "anyio._core._sockets:*",
            "anyio._core._eventloop:*",
            "anyio._core._tasks:*",
            "anyio._core._fileio:Path.*",
            "anyio._core._fileio:AsyncFile.*",
            "anyio._core._subprocesses:*",
            "anyio._core._synchronization:Event.*",
            "anyio._core._synchronization:Lock.*",
            "anyio._core._synchronization:Semaphore.*",
            "anyio.to_thread:*",
            "anyio.from_thread:*",
            "anyio.streams.memory:MemoryObjectSendStream.*",
            "anyio.streams.memory:MemoryObjectReceiveStream.*",
            "anyio.streams.buffered:BufferedByteReceiveStream.*",
            "anyio.streams.text:TextReceiveStream.*",
            "anyio.streams.tls:TLSStream.*",
        ),
        ("-k", "asyncio and not uvloop or not (asyncio or trio)"),
    ),
)


def main() -> int:
    """The exit status: 0 where the same tests pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="LIBRARY", help="of " + ", ".join(library.name for library in LIBRARIES))
    parser.add_argument("--keep", type=Path, help="a folder for environments and results, used again the next time")
    options = parser.parse_args()
    chosen = [library for library in LIBRARIES if not options.names or library.name in options.names]
    with tempfile.TemporaryDirectory() as scratch:
        results = [compared(library, (options.keep or Path(scratch)) / library.name) for library in chosen]
    return 0 if all(results) else 1


def compared(library: Library, folder: Path) -> bool:
    """Runs one suite both ways; says whether all that passes without us passes with us."""
    python, source = prepared(library, folder)
    config = configured(library, folder, source)
    plain = run(library, python, source, folder, None)
    recorded = run(library, python, source, folder, config)
    broken = sorted(plain - recorded)
    if broken:
        steady = run(library, python, source, folder, None) & plain
        broken = sorted((steady - recorded) - run(library, python, source, folder, config))
    listed = subprocess.run(
        [f"{Path(python).parent}/autoplayback", "list", "--json", "--config", config], capture_output=True, text=True
    )
    tapes = listed.stdout.count('"tape"')
    counts = f"{len(plain)} pass without, {len(recorded)} with recording; {tapes} tapes; {len(broken)} broken"
    print(f"{library.name} {library.version}: {counts}", flush=True)
    for case in broken:
        print("   broken:", "::".join(case))
    return not broken and bool(plain) and tapes > 0


def prepared(library: Library, folder: Path) -> tuple[str, Path]:
    """An environment with the library, its tests' needs and this checkout; and the unpacked source distribution."""
    python = folder / "env" / "bin" / "python"
    if not python.exists():
        venv.create(folder / "env", with_pip=True)
        _pip(python, "install", f"{library.name}=={library.version}", *library.requires)
    _pip(python, "install", "--force-reinstall", "--no-deps", str(CHECKOUT))
    _pip(python, "install", str(CHECKOUT))
    source = folder / f"{library.name}-{library.version}"
    if not source.exists():
        _pip(python, "download", "--no-deps", "--no-binary", ":all:", "-d", str(folder), f"{library.name}=={library.version}")
        with tarfile.open(folder / f"{library.name}-{library.version}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    return str(python), source


def configured(library: Library, folder: Path, source: Path) -> str:
    """The YAML: each test function an operation, the library's functions inputs."""
    lines = [f"service: {library.name}", f"tapes: {folder}/tapes", "operations:"]
    lines += [f"  - target: {target}" for target in tests_of(source)]
    lines += ["inputs:", *(f"  - target: {target!r}" for target in library.inputs)]
    config = folder / "autoplayback.yaml"
    config.write_text("\n".join(lines) + "\n")
    return str(config)


def tests_of(source: Path) -> list[str]:
    """`module:qualname` of every test function, under the module names that pytest gives."""
    found = []
    for path in sorted((source / "tests").rglob("test_*.py")):
        top = path.parent
        while (top / "__init__.py").exists():
            top = top.parent
        module = ".".join(path.relative_to(top).with_suffix("").parts)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test"):
                found.append(f"{module}:{node.name}")
            elif isinstance(node, ast.ClassDef):
                found += [
                    f"{module}:{node.name}.{inner.name}"
                    for inner in node.body
                    if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)) and inner.name.startswith("test")
                ]
    return list(dict.fromkeys(found))


def run(library: Library, python: str, source: Path, folder: Path, config: str | None) -> set[tuple[str, str]]:
    """The tests that pass, recorded where a config is given."""
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AUTOPLAYBACK", "PYTHON"))}
    if config is not None:
        env |= {"AUTOPLAYBACK": "record", "AUTOPLAYBACK_CONFIG": config}
    log = folder / ("recorded.log" if config else "plain.log")
    with log.open("w") as output:
        # Without its assertion rewriting pytest imports test modules the ordinary way: its own finder stands before all others.
        subprocess.run(
            [
                python,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "--assert=plain",
                f"--junitxml={report}",
                "tests",
                *library.arguments,
            ],
            cwd=source,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=900,
        )
    if not report.exists():
        sys.exit(f"{library.name}: the suite didn't run; see {log}\n{log.read_text()[-2000:]}")
    return {
        (case.get("classname", ""), case.get("name", ""))
        for case in ET.parse(report).iter("testcase")
        if not any(child.tag in ("failure", "error", "skipped") for child in case)
    }


def _pip(python: Path | str, *words: str) -> None:
    subprocess.run([str(python), "-m", "pip", "-q", "--disable-pip-version-check", *words], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
