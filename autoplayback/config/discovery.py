"""What a folder of Python code holds that a first config could name: applications and I/O libraries. Reads, never imports."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autoplayback.originals import open

WSGI = {"Flask", "Bottle", "App", "API", "Pyramid", "get_wsgi_application", "make_wsgi_app"}
ASGI = {"FastAPI", "Starlette", "Quart", "Litestar", "get_asgi_application"}
CELERY = {"Celery"}
_FRAMEWORKS = {"flask", "bottle", "falcon", "pyramid", "django", "fastapi", "starlette", "quart", "litestar", "celery"}
"""A call by one of the names above counts only where one of these is imported."""

_SKIPPED = {"node_modules", "site-packages", "__pycache__", "build", "dist", "tests", "test", "migrations", "docs"}
_MOST_FILES = 5000
_LARGEST_FILE = 1 << 20


@dataclass(slots=True)
class Found:
    """What `discover` found."""

    applications: list[tuple[str, str]] = field(default_factory=list)
    """(`wsgi`, `asgi` or `celery`, `module:name` or `module:factory()`), in the order of the files."""
    libraries: set[str] = field(default_factory=set)
    """Top-level names of what is imported or required, lower-case."""
    drivers: set[str] = field(default_factory=set)
    """Libraries that SQLAlchemy or Django loads by the name in a URL or a backend's path."""
    files: int = 0
    """How many files were read."""


def discover(folder: Path) -> Found:
    """Looks through a folder; what can't be read or parsed is passed over."""
    found = Found(libraries=_required(folder))
    for path in _python_files(folder):
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
        found.files += 1
        imported = _imported(tree)
        found.libraries |= imported
        found.drivers |= _drivers(tree)
        if imported & _FRAMEWORKS or _wsgi_functions(tree):
            module = _module(path.relative_to(folder))
            found.applications += [(kind, f"{module}:{name}") for kind, name in _applications(tree, imported)]
    return found


def _python_files(folder: Path) -> Iterator[Path]:
    count = 0
    for where, folders, files in os.walk(folder):
        here = Path(where)
        folders[:] = sorted(
            name for name in folders
            if not name.startswith(".") and name not in _SKIPPED and not (here / name / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            path = here / name
            if name.endswith(".py") and not name.startswith(("test_", "conftest")) and path.stat().st_size <= _LARGEST_FILE:
                count += 1
                if count > _MOST_FILES:
                    return
                yield path


def _module(path: Path) -> str:
    """The dotted name a file is imported by; a `src` folder on top is on the path, not in the name."""
    parts = list(path.with_suffix("").parts)
    if len(parts) > 1 and parts[0] == "src":
        parts = parts[1:]
    if len(parts) > 1 and parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


def _imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0].lower() for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0].lower())
    return names


_DRIVER = re.compile(
    r"(?P<dialect>postgresql|postgres|sqlite|mysql|mariadb)(?:\+(?P<driver>\w+))?://|django\.db\.backends\.(?P<backend>\w+)$"
    r"|django\.core\.cache\.backends\.(?P<cache>redis)\."
)
_DIALECTS = {"postgresql": "psycopg2", "postgres": "psycopg2", "sqlite": "sqlite3", "mysql": "mysqldb", "mariadb": "mysqldb"}
_BACKENDS = {"postgresql": "psycopg", "sqlite3": "sqlite3", "mysql": "mysqldb"}
_OWN_DRIVERS = {"pysqlite": "sqlite3", "psycopg_async": "psycopg"}


def _drivers(tree: ast.Module) -> set[str]:
    """The database drivers and clients that texts of a module name."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (match := _DRIVER.match(node.value)):
            dialect, driver, backend, cache = match.groups()
            name = driver or cache or (_BACKENDS.get(backend) if backend else _DIALECTS[dialect])
            if name is not None:
                names.add(_OWN_DRIVERS.get(name, name))
    return names


def _applications(tree: ast.Module, imported: set[str]) -> Iterator[tuple[str, str]]:
    made = set()
    for node in tree.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and (kind := _kind(node.value, imported)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and target.id not in made:
                    made.add(target.id)
                    yield kind, target.id
    if made:
        return  # a factory beside an application is how that application was made
    for name in _wsgi_functions(tree):
        yield "wsgi", name
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and _callable_without_arguments(node) and (kind := _made_by(node, imported)):
            yield kind, f"{node.name}()"


def _kind(value: ast.expr | None, imported: set[str]) -> str | None:
    """Which kind of application an expression makes."""
    if not isinstance(value, ast.Call) or not imported & _FRAMEWORKS:
        return None
    name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    for kind, names in (("wsgi", WSGI), ("asgi", ASGI), ("celery", CELERY)):
        if name in names:
            return kind
    return None


def _wsgi_functions(tree: ast.Module) -> list[str]:
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)
            and [argument.arg for argument in node.args.args] == ["environ", "start_response"]]


def _callable_without_arguments(node: ast.FunctionDef) -> bool:
    arguments = node.args
    return (len(arguments.posonlyargs) + len(arguments.args) <= len(arguments.defaults)
            and all(default is not None for default in arguments.kw_defaults))


def _made_by(function: ast.FunctionDef, imported: set[str]) -> str | None:
    """Which kind of application a function makes and returns."""
    makes: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and (kind := _kind(node.value, imported)):
            makes |= {target.id: kind for target in node.targets if isinstance(target, ast.Name)}
    for node in ast.walk(function):
        if isinstance(node, ast.Return):
            if isinstance(node.value, ast.Name) and node.value.id in makes:
                return makes[node.value.id]
            if direct := _kind(node.value, imported):
                return direct
    return None


_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def _required(folder: Path) -> set[str]:
    """Names of the packages which the folder's requirement files ask for."""
    names: set[str] = set()
    for path in sorted(folder.glob("*requirements*.txt")):
        try:
            with open(path, encoding="utf-8") as lines:
                names |= {match[1].lower() for line in lines if (match := _REQUIREMENT.match(line))}
        except (OSError, UnicodeDecodeError):
            continue
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return names
    listed = project.get("project", {}).get("dependencies", [])
    poetry = project.get("tool", {}).get("poetry", {}).get("dependencies", {})
    for text in [*(listed if isinstance(listed, list) else []), *(poetry if isinstance(poetry, dict) else {})]:
        if isinstance(text, str) and (match := _REQUIREMENT.match(text)):
            names.add(match[1].lower())
    return names
