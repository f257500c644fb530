"""Where on this machine we keep what isn't tapes of the user's own folder: caches, and tapes on their way to a bucket."""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from pathlib import Path

from autoplayback.cassettes.openfile import make_folder
from autoplayback.errors import CassetteError


def cache_folder() -> Path:
    """The user's cache, `XDG_CACHE_HOME`: everything in it can be deleted at any time."""
    return _base("XDG_CACHE_HOME", ".cache") / "autoplayback"


def spool_folder(url: str) -> Path:
    """Where tapes for a bucket wait to be shipped: `AUTOPLAYBACK_SPOOL`, else the user's state folder, the same for each process.

    A service account often has no home it may write to; then it is a folder of its own under the temporary one.
    """
    named = os.environ.get("AUTOPLAYBACK_SPOOL")
    return Path(named) / digest(url) if named else _state("spool") / digest(url)


def losses_folder(folder: Path) -> Path:
    """Where recorders count the tapes they lost while the folder meant for them could not be written itself."""
    return _state("losses") / digest(str(folder))


def _state(kind: str) -> Path:
    base = _base("XDG_STATE_HOME", ".local/state") / "autoplayback" / kind
    if _writable(base):
        return base
    shared = Path(tempfile.gettempdir()) / f"autoplayback-{os.getuid()}"
    make_folder(shared)
    status = shared.lstat()
    if status.st_uid != os.getuid() or not shared.is_dir() or shared.is_symlink() or status.st_mode & 0o077:
        raise CassetteError(str(shared), "somebody else made this folder, so nothing is written there; set AUTOPLAYBACK_SPOOL")
    return shared / kind


def digest(url: str) -> str:
    """A short file name for a URL."""
    return sha256(url.encode()).hexdigest()[:16]


def _base(variable: str, default: str) -> Path:
    named = os.environ.get(variable, "")
    if named.startswith("/"):  # the XDG specification: relative ones are to be ignored
        return Path(named)
    try:
        return Path.home() / default
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"autoplayback-{os.getuid()}" / default


def _writable(folder: Path) -> bool:
    """Whether we may write to a folder, or make it in the nearest one that exists."""
    while not folder.exists():
        if folder == folder.parent:
            return False
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)
