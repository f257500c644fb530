"""Other programs, run to their end: what they were given identifies the call, what they printed and their status come back.

`subprocess.Popen` itself isn't intercepted: declare the function of yours that talks to the program.
"""

from __future__ import annotations

from autoplayback.presets import PresetTarget

_NAMES = ("run", "call", "check_call", "check_output", "getoutput", "getstatusoutput")
TARGETS = tuple(PresetTarget(f"subprocess:{name}", f"subprocess.{name}", ignore=("timeout",)) for name in _NAMES)
