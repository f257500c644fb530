"""From `autoplayback.yaml` and the environment to settings. Everything wrong with a file is told in one go."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from autoplayback.config.document import Document
from autoplayback.config.notations import NotationError
from autoplayback.config.settings import Settings
from autoplayback.config.strings import check_tapes
from autoplayback.config.validation import Key, Validation
from autoplayback.errors import ConfigError, Place
from autoplayback.originals import open

DEFAULT_FILE = "autoplayback.yaml"
FILE_VARIABLE = "AUTOPLAYBACK_CONFIG"
TAPES_VARIABLE = "AUTOPLAYBACK_TAPES"


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, and where in the file each of them stands."""

    settings: Settings
    file: Path | None
    """Absolute; None where there is no file and all is default."""
    folder: Path
    """What relative paths of the file are relative to, absolute."""
    warnings: tuple[tuple[Place | None, str], ...] = ()
    places: Mapping[tuple[Key, ...], Place] = field(default_factory=dict, repr=False)

    def place(self, *keys: Key) -> Place | None:
        """Where a setting stands: `place("inputs", 0, "target")`. Where it isn't written, the nearest thing around it."""
        for length in range(len(keys), -1, -1):
            found = self.places.get(keys[:length])
            if found is not None:
                return found
        return None


def load(
    path: str | os.PathLike[str] | None = None,
    *,
    tapes: str | None = None,
    presets: Collection[str] | None = None,
    environment: Mapping[str, str] = os.environ,
    required: bool = True,
) -> Configuration:
    """Reads the file `path`, else the one AUTOPLAYBACK_CONFIG names, else `./autoplayback.yaml`.

    `tapes` or else AUTOPLAYBACK_TAPES override the file's. `presets` are the names to hold `preset:` against. Where not
    `required`, a missing default file gives the defaults. Raises ConfigError.
    """
    named = os.fspath(path) if path else environment.get(FILE_VARIABLE)
    configuration = _read(named or DEFAULT_FILE, presets, given=bool(named), required=required)
    override = tapes or environment.get(TAPES_VARIABLE)
    if override:
        origin = "--tapes" if tapes else TAPES_VARIABLE
        settings = msgspec.structs.replace(configuration.settings, tapes=_absolute(override, Path.cwd(), origin))
        configuration = replace(configuration, settings=settings)
    return configuration


def _read(name: str, presets: Collection[str] | None, *, given: bool, required: bool) -> Configuration:
    path = Path(name).expanduser().absolute()
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except FileNotFoundError:
        if not given and not required:
            return Configuration(_completed(Settings(), Path.cwd()), None, Path.cwd())
        raise ConfigError((Place(name), _missing(path, given))) from None
    except IsADirectoryError:
        raise ConfigError((Place(name), f"is a folder; name the file in it, {Path(name) / DEFAULT_FILE}")) from None
    except OSError as error:
        raise ConfigError((Place(name), f"can't be read: {error.strerror or error}")) from None
    document = Document(name, data)
    if document.root is None:
        raise ConfigError((Place(name, 1, 1), "the file is empty; `autoplayback init` shows what to write"))
    validation = Validation(document, presets)
    plain = validation.settings()
    if validation.problems:
        raise ConfigError(*sorted(validation.problems, key=_position))
    settings = _completed(msgspec.convert(plain, Settings), path.parent)
    return Configuration(settings, path, path.parent, tuple(validation.warnings), validation.places)


def _position(problem: tuple[Place | None, str]) -> tuple[int, int]:
    place = problem[0]
    return (place.line, place.column) if place else (0, 0)


def _missing(path: Path, given: bool) -> str:
    other = path.with_suffix(".yml" if path.suffix == ".yaml" else ".yaml")
    if other.exists():
        return f"there is no such file, but {other.name} is there: use `--config {other.name}`, or rename it"
    if given:
        return "there is no such file"
    return f"there is no such file in {path.parent}; `autoplayback init` writes a first one, `--config FILE` names another"


def _completed(settings: Settings, folder: Path) -> Settings:
    """With the defaults that depend on where the file is."""
    return msgspec.structs.replace(
        settings, service=settings.service or folder.name or "service", tapes=_absolute(settings.tapes, folder, "tapes")
    )


def _absolute(tapes: str, folder: Path, origin: str) -> str:
    try:
        check_tapes(tapes)
    except NotationError as error:
        raise ConfigError((None, f"{origin}: {error.reason}")) from None
    return tapes if "://" in tapes else os.path.normpath(folder / Path(tapes).expanduser())
