"""autoplayback turns the production traffic of a Python service into its regression suite, without a change to its code.

operation   a declared entry point; each outermost call of it makes one tape
input       a function whose result comes from outside: recorded, then answered from the tape
output      a function which acts on the outside: its arguments are what the operation did; compared, its result answered
call        one intercepted invocation inside an operation
tape        one recorded operation; a replay makes a tape too
cassette    where tapes are kept: memory, a folder, S3
verdict     what comparing a recorded with a replayed tape says
preset      ready-made targets for a library
handle      a live object returned by an intercepted call, itself intercepted and answered from the tape

The way of the data, and of the reader:

    yaml ─ config ─┬─ interception ── recorder ── tape ── cassette        (the service's process)
                   └─ interception ── player ─┐ tape ── cassette          (a fresh process)
                                              └ equalizer ── studio ── reports

Start at `bootstrap`, which joins these; then `interception.protocol`, the one seam between what is wrapped and what is done.

PYTEST_DONT_REWRITE: in a recorded process this package is there before pytest is, which would warn of it, as we have a plug-in.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoplayback.interception.context import annotate, current_tape_id, discard, keep, mode, note

__version__ = "0.1.0"
__all__ = ["annotate", "current_tape_id", "discard", "keep", "mode", "note"]


def __getattr__(name: str) -> Any:
    # Lazily: a service that imports us for `annotate` pays for nothing else, recorded or not.
    if name in __all__:
        from autoplayback.interception import context

        return getattr(context, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
