"""Starts recording, then runs the `sitecustomize` that this file hides by standing before it on PYTHONPATH.

Debian, Ubuntu and Homebrew ship one, and so do other instruments: each must run as if this one weren't here.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec

_HERE = os.path.dirname(os.path.abspath(__file__))


def _next() -> ModuleSpec | None:
    """The `sitecustomize` which Python would have found without this folder.

    Only what stands behind it on the path: two installs, each with its folder on PYTHONPATH, would else run each other for ever.
    """
    path = [os.path.abspath(entry or os.curdir) for entry in sys.path]
    last = len(path) - path[::-1].index(_HERE) if _HERE in path else 0
    return PathFinder.find_spec("sitecustomize", path[last:])


def _chain(spec: ModuleSpec) -> None:
    """Runs it under its own name, its exceptions included: `site` treats them as it always does."""
    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    assert spec.loader is not None
    spec.loader.exec_module(module)


try:
    from autoplayback.hook import start
except ImportError:
    # This interpreter has no autoplayback of its own, but got our PYTHONPATH from a recorded parent.
    print(f"autoplayback: not installed for {sys.executable}; this process is not recorded", file=sys.stderr)
else:
    start()

_found = _next()
if _found is not None and _found.loader is not None:
    _chain(_found)
