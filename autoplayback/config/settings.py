"""The settings, as frozen classes: the one definition that validation, defaults and the JSON Schema come from.

The text under each attribute is what editors show for the key, so it speaks to whoever writes the YAML. A string with a
notation of its own says so in its type; `config.load` checks it and names the column.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta


def _notation(name: str, **meta: Any) -> Meta:
    return Meta(extra={"notation": name}, **meta)


Rate = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(min_length=1)]
TapesUrl = Annotated[str, _notation("tapes")]
TargetGlob = Annotated[str, _notation("target")]
Reference = Annotated[str, _notation("reference")]
PlugIn = Annotated[str, _notation("plug-in")]
Application = Annotated[str, _notation("application")]
Instance = Annotated[str, _notation("instance")]
Preset = Annotated[str, _notation("preset")]
Package = Annotated[str, _notation("package")]
Path = Annotated[str, _notation("path")]
MetadataPath = Annotated[str, _notation("metadata path")]
ComparePath = Annotated[str, _notation("compare path")]
Renamed = Annotated[str, _notation("renamed")]
Redaction = Annotated[str, _notation("redaction")]
Moved = Annotated[str, _notation("moved")]
Condition = Annotated[str, _notation("condition")]
Filter = Annotated[str, _notation("filter")]
Moment = Annotated[str, _notation("moment")]
Share = Annotated[str, _notation("share")]
Allowance = Annotated[str, _notation("allowance")]
NotNegative = Annotated[float, Meta(ge=0)]
Failing = Literal["different", "degraded", "failed", "diverged", "error", "fixed", "improved"]


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    pass


class Fallback(_Settings, frozen=True):
    """`on_missing: {return: value}`: what a call answers which isn't on the tape."""

    value: Any = msgspec.field(name="return")
    """Any YAML value; the call returns it."""


OnMissing = Literal["fail", "call"] | Fallback


class Tolerance(_Settings, frozen=True):
    """How far numbers (`abs`, `rel`) or times (`time`, seconds) may differ and still be equal."""

    abs: NotNegative | None = None
    """Greatest difference of two numbers that are still equal."""
    rel: NotNegative | None = None
    """The same as a share of the recorded number: 0.001 is a thousandth."""
    time: NotNegative | None = None
    """Greatest difference of two times, in seconds."""


class Metric(_Settings, frozen=True):
    """A number with a direction: worse beyond its tolerance is `degraded`, better beyond it `improved`."""

    better: Literal["lower", "higher"]
    """Which way is better."""
    tolerance: NotNegative | Share = 0.0
    """An absolute number, or a share of the recorded value written as `0.5%`."""
    drift: NotNegative | Share | None = None
    """How far the mean over a whole run may get worse; by default a tenth of `tolerance`."""


class Compare(_Settings, frozen=True):
    """How a replay is judged. Paths stand below `result`, `error` or `outputs.<name>.args.<parameter>`."""

    ignore: list[ComparePath] = []
    """Places that may differ."""
    include: list[ComparePath] = []
    """Where given, only these places are compared."""
    tolerance: dict[ComparePath, Tolerance] = {}
    """Numbers and times that may differ a little: `{"result.cost": {rel: 0.001}}`."""
    unordered: list[ComparePath] = []
    """Lists whose order doesn't count."""
    key: dict[ComparePath, Path] = {}
    """Lists whose items are told apart by a field: `{"result.trips": id}`."""
    null_is_missing: list[ComparePath] = []
    """Maps in which a null is the same as no entry."""
    normalize: list[Renamed] = []
    """What may be renamed, if everywhere alike: `uuids`, `timestamps`, or the path of an id."""
    metrics: dict[ComparePath, Metric] = {}
    """Numbers with a better and a worse: `{"result.cost": {better: lower, tolerance: 0.5%}}`."""
    comparator: PlugIn | None = None
    """A function `(recorded, replayed, context) -> verdict` that judges instead, as `module:function`; or the name under which an
    installed package offers it (entry-point group `autoplayback.comparators`)."""
    extractor: PlugIn | None = None
    """A function `(side) -> value`, named alike: what is compared in place of the result."""
    data: PlugIn | None = None
    """A function `(recorded side) -> value`, named alike: what the comparator finds as `context.data`."""
    calls: Literal["count", "strict"] = "count"
    """`strict`: another number of calls of an input is a difference; `count`: it is only reported."""
    order: Literal["thread", "strict", "any"] | None = None
    """The order of outputs and writes among each other: `thread`, the default, compares those that the operation's own thread or
    task makes; `strict` all of them; `any` none. The calls of one output are compared in their order anyway."""
    clock: Literal["now", "exact"] = "now"
    """`now`: a time that the operation made itself while it ran equals the one its replay made; `exact`: it must be the same."""
    duration: NotNegative | Allowance | None = None
    """How much longer than recorded a replay may take (`20%`, or seconds) before it is `degraded`; not judged by default."""


class OperationSettings(_Settings, frozen=True):
    """One entry point: exactly one of `target`, `wsgi`, `asgi` and `celery` says which kind."""

    target: Reference | None = None
    """A function or method, `module:qualname`."""
    wsgi: Application | None = None
    """A WSGI application, `module:app` or `module:make_app()`: each HTTP request is an operation."""
    asgi: Application | None = None
    """An ASGI application, `module:app` or `module:make_app()`: each HTTP request is an operation."""
    celery: Application | None = None
    """A Celery application, `module:app`: each task run by a worker is an operation."""
    name: Name | None = None
    """What tapes call it; the target by default."""
    instance: Instance = "new"
    """`self` at replay: `new` (the class without arguments), `recorded` (its state is on the tape), or a factory
    `module:function`."""
    metadata: dict[str, MetadataPath] = {}
    """Names for `--where` and sampling, and where their values are: a path from a parameter, `self`, `result` or `error`."""
    compare: Compare = Compare()
    """Rules for this operation, added to the global ones."""
    wrap: Literal["outside", "inside"] = "inside"
    """Of a decorated function: what is intercepted, the whole (`outside`) or the function within the decorators."""
    was: list[Name] = []
    """Older names of the operation: tapes that carry one of these are replayed on this target."""
    parameters: dict[str, str | None] = {}
    """For tapes older than a change of the signature: the parameter's name on the tape -> its name now; null drops it."""


class CallSettings(_Settings, frozen=True):
    """What inputs and outputs have in common: exactly one of `target` and `preset`."""

    target: TargetGlob | None = None
    """A function or method, `module:qualname`; a glob is allowed in the last part: `orders.repo:Repo.load_*`."""
    preset: Preset | None = None
    """Ready-made targets for a library: `requests`, `sqlite3`, ..."""
    alias: Name | None = None
    """A stable name on the tape, so that code may move; the target by default."""
    was: list[Name] = []
    """Names that older tapes know it by."""
    ignore: list[Path] = []
    """Parameters which don't identify the call."""
    key: list[Path] | None = None
    """The parameters which identify the call; all by default."""
    on_missing: OnMissing = "fail"
    """A call that isn't on the tape: `fail` (diverged), `call` the real function, or `{return: value}`."""
    returns: Literal["value", "handle"] = "value"
    """`handle`: the result is a live object (a connection, a session) whose methods are recorded in turn."""
    files: list[Name] = []
    """Parameters which hold paths: the files' contents go on the tape."""
    wrap: Literal["outside", "inside"] = "inside"
    """Of a decorated function: what is intercepted, the whole (`outside`) or the function within the decorators."""


class InputSettings(CallSettings, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A function whose result comes from outside: answered from the tape."""


class OutputSettings(CallSettings, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A function which acts on the outside: its arguments are compared, its result answered from the tape."""


class Sampling(_Settings, frozen=True):
    """Which operations are recorded."""

    rate: Rate = 1.0
    """The share of operations, from 0 to 1."""
    by: Name | None = None
    """A metadata key whose values are kept or left whole: all tapes of a customer, or none."""
    per_minute: Count | None = None
    """At most so many tapes a minute (of each value of `by`, where given)."""
    always: list[Condition] = []
    """Kept whatever the rate says: `error`, or a condition such as `duration > 5` (seconds) or `customer=acme`."""


class Suite(_Settings, frozen=True):
    """A named selection of tapes, and when it counts as failed."""

    operation: list[Name] | Name | None = None
    """Only these operations; a glob is allowed."""
    since: Moment | None = None
    """Not older than this: `7d`, or a date."""
    until: Moment | None = None
    """Not younger than this: `1d`, or a date."""
    where: list[Filter] | Filter = []
    """Conditions on metadata, all of which must hold: `customer=acme`."""
    sample: Count | None = None
    """So many tapes, drawn at random, always the same ones for a seed."""
    by: list[Name] | Name | None = None
    """Draw uniformly over the values of this metadata key, or of several together: `[operation, customer]`."""
    seed: int = 0
    """Of the draw."""
    limit: Count | None = None
    """At most so many tapes, the youngest."""
    compare: Compare = Compare()
    """Rules for this suite, added to the others."""
    fail_over: dict[Failing, Annotated[int, Meta(ge=0)] | Share] = {}
    """Per verdict, how many (`0`) or which share (`1%`) of the run may have it before the run fails."""


class Limits(_Settings, frozen=True):
    """Bounds on what recording may use. Over one, whole tapes are dropped and counted; the service never waits."""

    queue_mb: Count = 64
    """Memory of finished tapes waiting to be written."""
    tape_mb: Count = 256
    """Of one tape, encoded: a larger one is dropped."""
    spool_mb: Count = 2048
    """Disk of tapes waiting to be shipped."""
    max_file_mb: Count = 500
    """Of a file named by `files:`; over it only its digest and size stay."""


class S3(_Settings, frozen=True):
    """What boto3 can't know from its own environment; passed through to each request."""

    endpoint: Name | None = None
    """The URL of an S3-compatible server; AWS's own by default."""
    region: Name | None = None
    """As boto3 knows it."""
    profile: Name | None = None
    """Of ~/.aws/config."""
    ca_bundle: Name | None = None
    """A file of certificates to trust."""
    server_side_encryption: Name | None = None
    """`AES256` or `aws:kms`."""
    kms_key_id: Name | None = None
    """The key of `aws:kms`."""
    storage_class: Name | None = None
    """`STANDARD_IA`, for example."""
    ship: Literal["thread", "process"] = "thread"
    """Who uploads: a thread of the service, or `autoplayback ship` beside it (then the service never imports boto3)."""


class Settings(_Settings, frozen=True):
    """All of `autoplayback.yaml`."""

    service: str = ""
    """The service's name on its tapes; the folder's name by default."""
    tapes: TapesUrl = "./.autoplayback/tapes"
    """Where tapes are kept: a folder (relative to this file), or `s3://bucket/prefix`."""
    operations: list[OperationSettings] = []
    """Entry points: each outermost call makes one tape."""
    inputs: list[InputSettings] = []
    """Functions whose result comes from outside: recorded, then answered from the tape."""
    outputs: list[OutputSettings] = []
    """Functions which act on the outside: recorded, compared, answered from the tape."""
    sampling: Sampling = Sampling()
    """Which operations are recorded; all by default."""
    redact: list[Redaction] = []
    """What is replaced before anything leaves the process, besides well-known secrets: places (`**.password`,
    `headers.authorization`), or what a regular expression finds in any text (`/sk-[a-z0-9]+/`)."""
    compare: Compare = Compare()
    """Rules for all operations."""
    suites: dict[str, Suite] = {}
    """Named selections for `replay --suite NAME`."""
    trust: list[Package] = []
    """Packages whose classes a tape may rebuild; the targets' own by default."""
    moved: dict[Moved, Moved] = {}
    """Modules, classes and fields that have another name since: `{old.module:Name: new.module:Name}`."""
    limits: Limits = Limits()
    """What recording may use."""
    s3: S3 = S3()
    """How S3 is reached, for `tapes: s3://...`."""
    environment: list[Name] = []
    """Names of environment variables whose values the operations depend on: recorded, and set again at replay."""
