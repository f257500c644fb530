"""`init`, `check`, `run`, `schema`: from a folder of code to a recorded service."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from autoplayback.cli import options

INIT_HELP = """Write a first, commented config for the code in this folder. An existing file is never overwritten.

Looks for Flask, FastAPI, Django, Celery and plain WSGI applications and for the I/O libraries they use; reads the code, doesn't
run it.

\b
autoplayback init
autoplayback --config deploy/autoplayback.yaml init
"""

CHECK_HELP = """Resolve every target of the config in a fresh process.

Says how each is going to be intercepted, or why it can't be.

\b
autoplayback check
autoplayback check --python .venv/bin/python     the service's own environment
autoplayback check --workdir src                 where the service is imported from

Exit status 2 if the config is wrong or a target can't be intercepted.
"""

RUN_HELP = """Run a command with recording turned on. The same as setting AUTOPLAYBACK=record in its environment.

\b
autoplayback run -- gunicorn -w 4 orders.web:app
autoplayback run -- python -m orders.worker
autoplayback --tapes s3://bucket/prefix run -- python main.py
"""

SCHEMA_HELP = """Print the JSON Schema of the config, for editors that complete and check YAML.

\b
autoplayback schema > autoplayback.schema.json
"""


def register(app: typer.Typer) -> None:
    """Adds this group's commands."""
    app.command("init", help=INIT_HELP, short_help="Write a first config for the code in this folder.")(init)
    app.command("check", help=CHECK_HELP, short_help="Say how each target of the config is going to be intercepted.")(check)
    app.command(
        "run", help=RUN_HELP, short_help="Run a command with recording turned on.",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False},
    )(run)
    app.command("schema", help=SCHEMA_HELP, short_help="Print the JSON Schema of the config.")(schema)


def init(config: options.Config = None, tapes: options.Tapes = None) -> None:
    """See INIT_HELP."""
    from autoplayback import presets
    from autoplayback.config import first
    from autoplayback.config.discovery import discover
    from autoplayback.config.load import DEFAULT_FILE
    from autoplayback.errors import ConfigError, Place

    options.remember(config, tapes)
    file = Path(os.environ.get("AUTOPLAYBACK_CONFIG") or DEFAULT_FILE)
    folder = file.absolute().parent
    if file.exists():
        raise ConfigError((Place(str(file)), "is there already, and is left as it is; `--config FILE` names another"))
    found = discover(folder)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(first.text(folder.name or "service", found, presets.names()))
    except OSError as error:
        raise ConfigError((Place(str(file)), f"can't be written: {error.strerror or error}")) from None
    _place_schema(folder)
    typer.echo(f"wrote {file} ({found.files} Python files looked through)")
    for kind, name in first.served(found.applications):
        typer.echo(f"  {kind}: {name}")
    for preset in first.chosen(found, presets.names()):
        typer.echo(f"  preset: {preset}")
    if not found.applications:
        typer.echo("  no application found: name your entry points in it")
    typer.echo("next: read it, then `autoplayback check`, then `autoplayback run -- YOUR COMMAND`")


def check(
    python: options.Python = None,
    workdir: options.Workdir = None,
    as_json: Annotated[bool, typer.Option("--json", help="The findings as one JSON document.")] = False,
    config: options.Config = None,
    tapes: options.Tapes = None,
) -> None:
    """See CHECK_HELP."""
    import json

    from autoplayback.config import first
    from autoplayback.reports import findings
    from autoplayback.studio import probe

    configuration = options.configuration(config, tapes)
    if configuration.file and first.SCHEMA_FILE in configuration.file.read_text("utf-8").partition("\n")[0]:
        _place_schema(configuration.folder)
    folder = Path(workdir) if workdir else configuration.folder
    found = probe.findings(configuration, python or sys.executable, folder)
    if as_json:
        typer.echo(json.dumps({"findings": found}))
    else:
        for line in findings.lines(found):
            typer.echo(line)
    if any(finding["error"] for finding in found):
        raise typer.Exit(2)


def run(
    command: Annotated[list[str], typer.Argument(metavar="CMD", help="The command, as you would type it.")],
    config: options.Config = None,
    tapes: options.Tapes = None,
) -> None:
    """See RUN_HELP."""
    configuration = options.configuration(config, tapes)
    environment = {**os.environ, **_recording(configuration)}
    sys.stdout.flush()
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        options.complain(f"{command[0]}: {error.strerror or error}")
        raise typer.Exit(2) from None


def schema(path: Annotated[bool, typer.Option("--path", help="Print where the installed schema file is.")] = False) -> None:
    """See SCHEMA_HELP."""
    from autoplayback.config.schema import FILE

    typer.echo(str(FILE) if path else FILE.read_text("utf-8"), nl=path)


def _recording(configuration: Any) -> dict[str, str]:
    """The variables under which a command is recorded, from wherever it goes on to."""
    variables = {"AUTOPLAYBACK": "record", "AUTOPLAYBACK_CONFIG": str(configuration.file)}
    if os.environ.get("AUTOPLAYBACK_TAPES"):
        variables["AUTOPLAYBACK_TAPES"] = configuration.settings.tapes
    if not _starts_by_itself():
        import autoplayback

        package = Path(autoplayback.__file__).parent
        known = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
        variables["PYTHONPATH"] = os.pathsep.join(
            [str(package / "hook"), *known, *([] if str(package.parent) in known else [str(package.parent)])]
        )
    return variables


def _starts_by_itself() -> bool:
    """Whether Python's own start finds our .pth; it doesn't in `pip install --target` or a bare source tree."""
    import site

    folders = [*site.getsitepackages(), site.getusersitepackages()]
    return any((Path(folder) / "autoplayback_init.pth").exists() for folder in folders)


def _place_schema(folder: Path) -> None:
    """Puts the schema where the config's first line says; an editor's comfort, so what fails here fails silently.

    The folder also keeps itself out of git: tapes hold production data.
    """
    from autoplayback.config import first
    from autoplayback.config.schema import FILE

    place = folder / first.SCHEMA_FILE
    try:
        text = FILE.read_text("utf-8")
        if not place.exists() or place.read_text("utf-8") != text:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        ignore = place.with_name(".gitignore")
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError:
        return
