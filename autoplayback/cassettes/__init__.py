"""Where tapes are kept: memory, a folder, S3; `open_cassette` picks by URL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autoplayback.errors import CassetteError

if TYPE_CHECKING:  # the recorder imports this room for its files alone: boto3 and SQLite stay out of the service
    from autoplayback.cassettes.protocol import Cassette
    from autoplayback.config.settings import Settings

__all__ = ["open_cassette"]


def open_cassette(url: str, settings: Settings | None = None) -> Cassette:
    """The cassette at a URL: a folder's path, `s3://bucket/prefix`, or `memory:`. CassetteError for anything else."""
    if url.startswith("s3://"):
        from autoplayback.cassettes.s3 import S3Cassette

        return S3Cassette(url, settings)
    if url.startswith("memory:"):
        from autoplayback.cassettes.memory import MemoryCassette

        return MemoryCassette(url)
    scheme, colon, rest = url.partition("://")
    if colon and scheme != "file":
        raise CassetteError(url, "tapes are kept in a folder or in s3://bucket/prefix; this is neither")
    if not (rest if colon else url):
        raise CassetteError(url, "the name of the folder is missing")
    from autoplayback.cassettes.folder import FolderCassette

    return FolderCassette(Path(rest if colon else url).expanduser(), service=settings.service if settings else "")
