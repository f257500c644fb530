"""The text of a first config: what was found in the folder as settings, all else as commented examples."""

from __future__ import annotations

from collections.abc import Collection

from autoplayback.config.discovery import Found

SCHEMA_FILE = ".autoplayback/schema.json"
"""Where `init` and `check` put the JSON Schema: beside the config, so that the line which names it holds on any machine."""

_LIBRARIES = {
    "requests": ("requests", "urllib3"),
    "urllib3": ("urllib3",),
    "boto3": ("boto3", "urllib3"),
    "psycopg2-binary": ("psycopg2",),
    "psycopg2": ("psycopg2",),
    "psycopg-binary": ("psycopg",),
    "pymysql": ("pymysql",),
    "flask": ("itsdangerous",),
}
"""The presets that hold a library, best first, where they aren't called like it."""
_MAPPERS = {"sqlalchemy", "sqlmodel", "django"}
"""What loads its driver by a name that no import shows."""
_DRIVERS = ("psycopg", "psycopg2", "sqlite3", "asyncpg", "pymysql")


def presets_for(libraries: Collection[str], presets: Collection[str]) -> list[str]:
    """The presets that hold the I/O of these libraries."""
    found: list[str] = []
    for library in sorted(libraries):
        for preset in _LIBRARIES.get(library, (library.replace("-", "_"), library)):
            if preset in presets:
                if preset not in found:
                    found.append(preset)
                break
    if "requests" in found and "urllib3" in found:
        found.remove("urllib3")  # requests speaks through urllib3: the preset holds both
    return found


def chosen(found: Found, presets: Collection[str]) -> list[str]:
    """The presets that a first config names."""
    # A URL names a driver only below what loads it by that name.
    return presets_for(found.libraries | (found.drivers if found.libraries & _MAPPERS else set()), presets)


def served(applications: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The applications without those that are served through another: Django's asgi.py beside its wsgi.py."""
    names = {name for _, name in applications}
    return [(kind, name) for kind, name in applications if not _twin(name, names)]


def _twin(name: str, names: Collection[str]) -> bool:
    return name.endswith(".asgi:application") and name.replace(".asgi:", ".wsgi:") in names


def text(service: str, found: Found, presets: Collection[str]) -> str:
    """The file's text."""
    named = chosen(found, presets)
    drivers = [name for name in _DRIVERS if name in presets]
    unnamed = found.libraries & _MAPPERS and not set(drivers) & set(named)
    others = ", ".join(sorted(set(presets) - set(named)))
    return _TEXT.format(
        schema=SCHEMA_FILE,
        service=_quoted(service),
        operations=_operations(found.applications),
        inputs="".join(f"  - preset: {preset}\n" for preset in named) or _NO_PRESETS,
        drivers=_ASKED.format(drivers[0], ", ".join(drivers)) if unnamed and drivers else "",
        others=f"  # there are presets for: {others}\n" if others else "",
    )


def _quoted(name: str) -> str:
    if name.replace("-", "").replace("_", "").isalpha() and name.lower() not in ("true", "false", "null"):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _operations(applications: list[tuple[str, str]]) -> str:
    names = {name for _, name in applications}
    lines = []
    for kind, name in applications:
        lines.append(f"  {'# ' if _twin(name, names) else ''}- {kind}: {name}\n")
    return "".join(lines) or _NO_OPERATIONS


_NO_OPERATIONS = """\
  # no web application was found here; name the functions where work begins, as module:qualname
"""
_NO_PRESETS = """\
  # no library with a preset was found here; name your own functions that read from outside
"""
_ASKED = """\
  # - preset: {}                            # the driver below the ORM, one of: {}
"""

_TEXT = """\
# yaml-language-server: $schema={schema}
# What autoplayback records of this service. `autoplayback check` says how each target is going to be intercepted.

service: {service}
tapes: ./.autoplayback/tapes          # or s3://bucket/prefix. Tapes hold production data: this folder stays out of git

# Entry points: each outermost call makes one tape.
operations:
{operations}\
  # - target: orders.checkout:Checkout.place       # a function or method
  #   name: place_order                            # what tapes call it
  #   instance: orders.wiring:make_checkout        # self at replay: new (default), recorded, or a factory
  #   metadata: {{customer: order.customer_id}}      # for --where, from a parameter, self, result or error
  #   compare: {{ignore: [result.trace_id]}}         # what may differ

# What comes from outside: recorded, then answered from the tape.
inputs:
{inputs}\
{drivers}\
{others}\
  # - target: orders.repo:Repo.load_*              # a glob in the last part
  #   ignore: [timeout]                            # parameters which don't identify the call

# What acts on the outside: its arguments are compared.
# outputs:
#   - target: orders.mail:send

# Replaced before anything leaves the process, besides well-known secrets:
# redact: ["**.password"]

# sampling: {{rate: 0.1, always: [error, "duration > 5"]}}
"""
