"""The report files of one run, each written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from autoplayback.errors import CassetteError
from autoplayback.originals import open as real_open
from autoplayback.originals import process_id
from autoplayback.reports import failure, markdown
from autoplayback.studio.results import Result
from autoplayback.studio.tally import Summary


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files a run is to leave, each by its path."""

    junit: str | None = None
    html: str | None = None
    markdown: str | None = None
    failures: str | None = None
    """A folder: a Markdown file per failure."""

    def any(self) -> bool:
        """Whether there is anything to write."""
        return any((self.junit, self.html, self.markdown, self.failures))


def write(wanted: Wanted, results: Callable[[], Iterable[Result]], summary: Summary, *, strict: bool = False) -> None:
    """Writes each file; `results` is called once for each of them, as not all results of a long run need fit into memory."""
    if wanted.junit:
        from autoplayback.reports import junit  # xml.sax takes in urllib and http.client

        with _whole(wanted.junit) as stream:
            junit.write(stream, results(), strict=strict)
    if wanted.markdown:
        with _whole(wanted.markdown) as stream:
            markdown.write(stream, results(), summary)
    if wanted.html:
        from autoplayback.reports import html  # jinja2 takes a while to import

        with _whole(wanted.html) as stream:
            html.write(stream, results(), summary, strict=strict)
    if wanted.failures:
        try:
            failure.write(Path(wanted.failures), results(), strict=strict)
        except OSError as error:
            raise CassetteError(wanted.failures, error.strerror or str(error)) from None


@contextmanager
def _whole(path: str) -> Iterator[IO[str]]:
    target = Path(path)
    partial = target.with_name(f".{target.name}.{process_id()}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():  # a device or a pipe, such as /dev/stdout
            with real_open(target, "w", encoding="utf-8") as stream:
                yield stream
            return
        with real_open(partial, "w", encoding="utf-8") as stream:
            yield stream
        os.replace(partial, target)
    except OSError as error:
        _forget(partial)
        raise CassetteError(path, error.strerror or str(error)) from None
    except BaseException:
        _forget(partial)
        raise


def _forget(partial: Path) -> None:
    with suppress(OSError):
        partial.unlink()
