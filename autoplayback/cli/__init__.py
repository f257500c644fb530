"""The command line: parse, call, print. A file a command group; a group's module is loaded only when its command is asked for.

Exit statuses: 0 all pass, 1 a regression, 2 usage or config, 3 the tool could not replay or compare, 5 no tape matched.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from autoplayback.cli import options
from autoplayback.config.nearest import suggestion
from autoplayback.errors import AutoplaybackError

COMMANDS = {
    "demo": "demo",
    "init": "setup",
    "check": "setup",
    "run": "setup",
    "list": "tapes",
    "show": "tapes",
    "replay": "replay",
    "report": "report",
    "accept": "curate",
    "pin": "curate",
    "noise": "noise",
    "export": "store",
    "delete": "store",
    "prune": "store",
    "verify": "store",
    "ship": "store",
    "schema": "setup",
}
"""Each command and the module of this package that registers it, in the order of `--help`."""

INTERRUPTED = 130
BROKEN_PIPE = 141
FAULT = 3
"""What our own faults exit with: the tool could not do it. Never 1, which says that the code under test is worse."""


class _Commands(TyperGroup):
    """Loads a command's module when the command is needed; turns what a command raises into a message and a status."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None if ctx.resilient_parsing else ctx.fail(f"No such command {cmd_name!r}{suggestion(cmd_name, COMMANDS)}")
        if cmd_name not in self.commands:
            group = typer.Typer(rich_markup_mode=None)
            importlib.import_module(f"{__name__}.{COMMANDS[cmd_name]}").register(group)
            self.commands.update(typer.main.get_group(group).commands)
        return self.commands[cmd_name]

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except AutoplaybackError as error:
            options.complain(str(error))
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader (`| head`) has what it wants. Python would complain once more at exit, on flushing what is left.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(BROKEN_PIPE) from None
        return result


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from autoplayback import __version__

        typer.echo(f"autoplayback {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    config: options.Config = None,
    tapes: options.Tapes = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Production traffic of a Python service becomes its regression suite, without a change to its code.

    \b
    1. autoplayback init                  write autoplayback.yaml: entry points, inputs and outputs
    2. AUTOPLAYBACK=record <your command> record what they do      (or: autoplayback run -- <your command>)
    3. autoplayback replay                run the recorded operations on the code as it is now, and compare

    `autoplayback demo` shows all three on a bundled service. `autoplayback COMMAND --help` explains each with examples.
    """
    options.remember(config, tapes)


def main() -> None:
    """The console command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # tapes hold texts which an ASCII terminal can't show
    try:
        app()
    except Exception:
        import traceback

        traceback.print_exc()
        options.complain("this is a fault of autoplayback itself; the traceback above says where")
        sys.exit(FAULT)
