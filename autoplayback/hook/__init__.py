"""What Python runs at start. Three ways lead to `start`, and any of them may come first:

- `autoplayback_init.pth`, which the wheel puts beside site-packages: one line that looks at the environment variable before
  it imports anything of ours, so that a process which isn't recorded pays next to nothing: what else there is to do stands in a
  string, which is compiled only where the variable is set. From Python 3.15 on `autoplayback_init.start`
  (PEP 829) takes its place; such a file can only name a function, so there the variable is looked at in `start`.
- `sitecustomize.py` in this folder, put on PYTHONPATH by `autoplayback run`, for installs without .pth files (`pip --target`);
- `import autoplayback.auto` in the service's own code, for programs which skip `site` altogether (PyInstaller, `python -S`).
"""

import os
import sys

_started = False


def start() -> None:
    """Starts recording where `AUTOPLAYBACK` asks for it; once a process, however often it is called.

    Never raises: an exception here would be printed as a fault of Python's own start, and a SystemExit would end the service.
    Only Ctrl-C keeps its meaning.
    """
    global _started
    if _started or os.environ.get("AUTOPLAYBACK", "off") in ("", "off"):
        return
    _started = True  # before the attempt: what failed once is not reported twice
    try:
        from autoplayback import bootstrap

        bootstrap.start()
    except KeyboardInterrupt:
        raise
    except BaseException as fault:
        report(f"{type(fault).__name__}: {fault}; this process is not recorded")


def report(text: str) -> None:
    """Says one line on stderr, if there is one; logging isn't configured this early, and isn't ours to configure."""
    try:
        if sys.stderr is not None:
            print(f"autoplayback: {text}", file=sys.stderr, flush=True)
    except Exception:  # a closed stderr must not end the service either
        pass
