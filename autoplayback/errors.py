"""Everything autoplayback raises, in one tree.

    AutoplaybackError
    ├── ConfigError          the YAML, a flag or an environment variable is wrong       exit 2
    ├── TargetError          a declared target can't be found or intercepted            exit 2
    ├── CassetteError        a folder or bucket can't be read or written                exit 2
    │   └── TapeNotFound     no tape has this id, or several begin with it              exit 2
    ├── TapeError            a stored tape is cut, damaged, foreign or hostile          verdict `error`
    │   ├── NewerFormat      it was written by a later autoplayback: please update
    │   └── NotTrusted       rebuilding it would need a class of a package not in `trust`
    └── ReplayError          the tool could not replay or compare                       verdict `error`

    BaseException
    └── Diverged             the code under test asked what the tape can't answer       verdict `diverged`

Each leaf is a distinct action for whoever catches it. Constructors take facts and build the sentence.
"""

from __future__ import annotations

from dataclasses import dataclass


class AutoplaybackError(Exception):
    """The base of all our errors; its text is meant for the user as it is."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file something stands; lines and columns count from 1, as editors show them."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class ConfigError(AutoplaybackError):
    """What is wrong with the settings, each problem with its place and what to do."""

    def __init__(self, *problems: tuple[Place | None, str]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{place}: {text}" if place else text for place, text in problems))


class TargetError(AutoplaybackError):
    """A target which can't be found or can't be intercepted."""

    def __init__(self, target: str, reason: str, place: Place | None = None) -> None:
        self.target, self.reason, self.place = target, reason, place
        where = f"{place}: " if place else ""
        super().__init__(f"{where}target {target!r}: {reason}")


class CassetteError(AutoplaybackError):
    """A cassette which can't be opened, read or written."""

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(f"{url}: {reason}")


class TapeNotFound(CassetteError):
    """No tape, or more than one, is meant by an id or prefix."""


class TapeError(AutoplaybackError):
    """A tape which can't be read: cut, damaged, foreign, or made to harm."""

    def __init__(self, reason: str, where: str = "") -> None:
        self.reason, self.where = reason, where
        super().__init__(f"{where}: {reason}" if where else reason)


class NewerFormat(TapeError):
    """The tape was written by a later version than this one reads."""


class NotTrusted(TapeError):
    """Rebuilding a value would need a class from a package the config doesn't trust."""


class ReplayError(AutoplaybackError):
    """The tool itself could not replay or compare a tape."""


class Diverged(BaseException):
    """The code under test asked the world something its tape can't answer.

    A BaseException, so that the service's ``except Exception`` can't turn it into a pass; the player also latches it.
    """
