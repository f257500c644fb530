"""`import autoplayback.auto` as a program's first line: for where Python skips `site` (PyInstaller, `python -S`).

Without `AUTOPLAYBACK=record` in the environment it does nothing.
"""

from autoplayback.hook import start

start()
