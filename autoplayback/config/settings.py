"""The settings, as frozen classes: the one definition that validation, defaults and the JSON Schema come from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Rate = Annotated[float, Meta(ge=0, le=1)]


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    pass


class Fallback(_Settings):
    """`on_missing: {return: value}`: what a call answers which isn't on the tape."""

    value: Any = msgspec.field(name="return")


OnMissing = Literal["fail", "call"] | Fallback


class Tolerance(_Settings):
    """How far numbers (`abs`, `rel`) or times (`time`, seconds) may differ and still be equal."""

    abs: float | None = None
    rel: float | None = None
    time: float | None = None


class Metric(_Settings):
    """A number with a direction: worse beyond its tolerance is `degraded`, better beyond it `improved`."""

    better: Literal["lower", "higher"]
    tolerance: float | str = 0.0
    """An absolute number, or a share of the recorded value written as `0.5%`."""


class Compare(_Settings):
    """How a replay is judged. Paths are of `config.paths`, below `result`, `error`, `outputs.<name>.args.<parameter>`."""

    ignore: list[str] = []
    include: list[str] = []
    tolerance: dict[str, Tolerance] = {}
    unordered: list[str] = []
    key: dict[str, str] = {}
    null_is_missing: list[str] = []
    normalize: list[str] = []
    metrics: dict[str, Metric] = {}
    comparator: str | None = None
    calls: Literal["count", "strict"] = "count"
    duration: float | str | None = None
    """Where asked: how much longer than recorded a replay may take (`20%`, or seconds) before it is `degraded`."""


class OperationSettings(_Settings):
    """One entry point: exactly one of `target`, `wsgi`, `asgi` and `celery` says which kind."""

    target: str | None = None
    wsgi: str | None = None
    asgi: str | None = None
    celery: str | None = None
    name: str | None = None
    instance: str = "new"
    metadata: dict[str, str] = {}
    compare: Compare = Compare()
    wrap: Literal["outside", "inside"] = "inside"
    """Of a decorated function: what is intercepted, the whole (`outside`) or the function within the decorators."""
    was: list[str] = []
    """Older names of the operation: tapes that carry one of these are replayed on this target."""
    parameters: dict[str, str | None] = {}
    """For tapes older than a change of the signature: the parameter's name on the tape -> its name now; null drops it."""


class CallSettings(_Settings):
    """What inputs and outputs have in common: exactly one of `target` and `preset`."""

    target: str | None = None
    preset: str | None = None
    alias: str | None = None
    was: list[str] = []
    ignore: list[str] = []
    key: list[str] | None = None
    on_missing: OnMissing = "fail"
    returns: Literal["value", "handle"] = "value"
    files: list[str] = []
    wrap: Literal["outside", "inside"] = "inside"


class InputSettings(CallSettings, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A function whose result comes from outside: answered from the tape."""


class OutputSettings(CallSettings, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A function which acts on the outside: its arguments are compared, its result answered from the tape."""


class Sampling(_Settings):
    """Which operations are recorded."""

    rate: Rate = 1.0
    by: str | None = None
    per_minute: int | None = None
    always: list[str] = []


class Suite(_Settings):
    """A named selection of tapes, and when it counts as failed."""

    operation: list[str] | str | None = None
    since: str | None = None
    until: str | None = None
    where: list[str] | str = []
    sample: int | None = None
    by: str | None = None
    seed: int = 0
    limit: int | None = None
    compare: Compare = Compare()
    fail_over: dict[str, int | str] = {}
    """Per verdict, how many (`0`) or which share (`1%`) of the run may have it before the run fails."""


class Limits(_Settings):
    """Bounds on what recording may use. Over one, whole tapes are dropped and counted; the service never waits."""

    queue_mb: int = 64
    """Memory of finished tapes waiting to be written."""
    tape_mb: int = 256
    """Of one tape, encoded: a larger one is dropped."""
    spool_mb: int = 2048
    """Disk of tapes waiting to be shipped."""
    max_file_mb: int = 500
    """Of a file named by `files:`; over it only its digest and size stay."""


class S3(_Settings):
    """What boto3 can't know from its own environment; passed through to each request."""

    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    ca_bundle: str | None = None
    server_side_encryption: str | None = None
    kms_key_id: str | None = None
    storage_class: str | None = None
    ship: Literal["thread", "process"] = "thread"
    """Who uploads: a thread of the service, or `autoplayback ship` beside it (then the service never imports boto3)."""


class Settings(_Settings):
    """All of `autoplayback.yaml`."""

    service: str = ""
    tapes: str = "./.autoplayback/tapes"
    operations: list[OperationSettings] = []
    inputs: list[InputSettings] = []
    outputs: list[OutputSettings] = []
    sampling: Sampling = Sampling()
    redact: list[str] = []
    compare: Compare = Compare()
    suites: dict[str, Suite] = {}
    trust: list[str] = []
    moved: dict[str, str] = {}
    limits: Limits = Limits()
    s3: S3 = S3()
    environment: list[str] = []
    """Names of environment variables whose values the operations depend on: recorded, and set again at replay."""
