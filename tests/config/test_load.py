"""Reading `autoplayback.yaml`: the whole example of the design comes in; everything wrong is told at once, with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoplayback.config.load import Configuration, load
from autoplayback.config.settings import Fallback, Metric, Tolerance
from autoplayback.errors import ConfigError

PRESETS = ("requests", "sqlite3", "urllib3")

EVERYTHING = """\
service: orders                    # default: the folder's name
tapes: ./tapes                     # folder, or s3://bucket/prefix
operations:
  - target: orders.checkout:Checkout.place
    name: place_order
    instance: orders.wiring:make_checkout
    metadata: {customer: order.customer_id, total: result.total}
    compare: {ignore: [result.trace_id]}
  - wsgi: orders.web:app
  - wsgi: shop:create_app()
inputs:
  - target: orders.repo:Repo.load_*
    ignore: [timeout]
    alias: repo.load
    was: [old.name]
    on_missing: {return: [1, {a: null}]}
  - preset: requests
outputs:
  - target: orders.mail:send
    files: [attachment]
    on_missing: call
sampling: {rate: 1.0, by: customer, per_minute: 20, always: [error, "duration > 5"]}
redact: ["**.password", "headers.authorization", "/sk-[0-9a-f]+/"]
compare:
  ignore: ["outputs.mail.send.args.sent_at"]
  tolerance: {"result.cost": {rel: 0.001}}
  unordered: ["result.items"]
  key: {"result.trips": id}
  normalize: [uuids, result.order.id]
  metrics: {"result.cost": {better: lower, tolerance: 0.5%}}
  comparator: orders.playback:compare
suites: {nightly: {since: 7d, sample: 200, by: customer, where: customer=acme, fail_over: {different: 0, degraded: 1%}}}
trust: [orders]
"""


def read(folder: Path, text: str | bytes, **options: str) -> Configuration:
    (folder / "autoplayback.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(folder / "autoplayback.yaml", presets=PRESETS, environment={}, **options)


def problems(folder: Path, text: str | bytes) -> list[str]:
    """The problems of a file, each without the file's name."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return [str(line).removeprefix(f"{folder / 'autoplayback.yaml'}:") for line in str(caught.value).splitlines()]


def test_the_example_of_the_design(tmp_path: Path) -> None:
    """Every key of it arrives as what it means, and knows its place."""
    found = read(tmp_path, EVERYTHING)
    config = found.settings
    assert config.service == "orders"
    assert config.tapes == str(tmp_path / "tapes")
    assert config.operations[0].metadata == {"customer": "order.customer_id", "total": "result.total"}
    assert config.operations[2].wsgi == "shop:create_app()"
    assert config.inputs[0].on_missing == Fallback(value=[1, {"a": None}])
    assert config.outputs[0].on_missing == "call"
    assert config.compare.tolerance == {"result.cost": Tolerance(rel=0.001)}
    assert config.compare.metrics == {"result.cost": Metric(better="lower", tolerance="0.5%")}
    assert config.suites["nightly"].fail_over == {"different": 0, "degraded": "1%"}
    assert not found.warnings
    place = found.place("inputs", 0, "target")
    assert str(place) == f"{tmp_path / 'autoplayback.yaml'}:12:13"
    assert found.place("inputs", 0, "files") == found.place("inputs", 0), "what isn't written is at what is around it"


def wrong_files() -> list[tuple[str, list[str]]]:
    """The files of wrong_files.txt, each with its problems."""
    cases = []
    for case in (Path(__file__).parent / "wrong_files.txt").read_text().split("===\n")[1:]:
        lines = case.splitlines(keepends=True)
        text = "".join(line for line in lines if not line.startswith("!!! "))
        cases.append((text, [line.removeprefix("!!! ").rstrip("\n") for line in lines if line.startswith("!!! ")]))
    assert len(cases) > 40
    return cases


@pytest.mark.parametrize(("text", "expected"), wrong_files())
def test_a_wrong_file(tmp_path: Path, text: str, expected: list[str]) -> None:
    """Line, column, what is wrong, the nearest valid name, what to do."""
    assert problems(tmp_path, text) == expected


@pytest.mark.parametrize(("text", "place", "said"), [
    ("inputs:\n\t- target: a:b\n", "2:1", "a tab"),
    ("redact: [**.password]\n", "1:11", "quotes"),
    ("redact:\n  - *.password\n", "2:6", "quotes"),
    ("inputs:\n  - @x\n", "2:5", "quotes"),
    ("inputs: a: b\n", "1:10", "colon"),
    ("inputs:\n  - target: a:b\n alias: x\n", "3:2", "indentation"),
    ("inputs: [a, b\n", "2:1", "not YAML"),
    ("service: a\n---\nservice: b\n", "2:1", "second document"),
    (b"service: caf\xe9\n", "1:13", "UTF-8"),
    ("service: \"a\x00b\"\n", "1:12", "U+0000"),
    ("inputs: " + "[" * 3000 + "]" * 3000, "1:1", "nested too deeply"),
])
def test_a_file_that_is_no_yaml(tmp_path: Path, text: str | bytes, place: str, said: str) -> None:
    """One problem, at its place, in words for someone who doesn't know YAML's grammar."""
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(f"{place}: ")
    assert said in problem


def test_all_problems_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Three mistakes, one run."""
    text = EVERYTHING.replace("name: place_order", "nam: x").replace("rel:", "rle:").replace("trust:", "tust:")
    found = problems(tmp_path, text)
    assert [line.partition(":")[0] for line in found] == ["5", "26", "33"]


def test_anchors_aliases_merges_and_empty_sections(tmp_path: Path) -> None:
    """`x-` keys hold anchors; a section whose entries are all commented out is as if it weren't there."""
    found = read(tmp_path, """\
x-common: &common {on_missing: call, wrap: outside}
operations:
  - {target: m:f}
inputs:
  - {<<: *common, target: a:b}
  - <<: *common
    target: a:c
    on_missing: fail
outputs:
compare:
""")
    assert [(entry.on_missing, entry.wrap) for entry in found.settings.inputs] == [("call", "outside"), ("fail", "outside")]
    assert found.settings.outputs == []


def test_plain_texts_are_texts_as_editors_see_them(tmp_path: Path) -> None:
    """YAML 1.2: `no` is no boolean, a date no date object, 1:30 no number of seconds."""
    found = read(tmp_path, """\
operations: [{target: m:f}]
service: no
suites: {on: {since: 2026-11-01, operation: 1:30}}
environment: [NO, yes]
""")
    assert found.settings.service == "no"
    assert found.settings.suites["on"].since == "2026-11-01"
    assert found.settings.suites["on"].operation == "1:30"
    assert found.settings.environment == ["NO", "yes"]


def test_what_is_suspicious_but_not_wrong_is_a_warning(tmp_path: Path) -> None:
    """Sampling by metadata that nobody gives; nothing to record at all."""
    found = read(tmp_path, "operations: [{target: m:f, metadata: {customer: c}}]\nsampling: {by: custmer}\n")
    assert [text for _, text in found.warnings] == ["no operation has the metadata 'custmer'; did you mean 'customer'?"]
    empty = read(tmp_path, "service: x\n")
    assert [text for _, text in empty.warnings] == ["no operations are declared: nothing will be recorded"]


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    """As Windows editors write them."""
    assert read(tmp_path, b"\xef\xbb\xbfservice: a\r\noperations: []\r\n").settings.service == "a"


def test_defaults_depend_on_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service is called like the folder; tapes stand beside the config, wherever the command is run."""
    home = tmp_path / "shop"
    home.mkdir()
    monkeypatch.chdir(tmp_path)
    config = read(home, "operations: [{target: m:f}]\n").settings
    assert config.service == "shop"
    assert config.tapes == str(home / ".autoplayback/tapes")
    assert read(home, "tapes: ../t\n").settings.tapes == str(tmp_path / "t")
    assert read(home, "tapes: s3://bucket/prefix\n").settings.tapes == "s3://bucket/prefix"


def test_which_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one given, else the variable's, else ./autoplayback.yaml; tapes likewise, relative to the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "autoplayback.yaml").write_text("service: here\n")
    (tmp_path / "other.yaml").write_text("service: other\n")
    (tmp_path / "third.yaml").write_text("service: third\n")
    variable = {"AUTOPLAYBACK_CONFIG": "other.yaml", "AUTOPLAYBACK_TAPES": "elsewhere"}
    assert load(environment={}).settings.service == "here"
    assert load(environment=variable).settings.service == "other"
    assert load("third.yaml", environment=variable).settings.service == "third"
    assert load(environment=variable).settings.tapes == str(tmp_path / "elsewhere")
    assert load(tapes="flag", environment=variable).settings.tapes == str(tmp_path / "flag")
    with pytest.raises(ConfigError, match="AUTOPLAYBACK_TAPES: there are no tapes at ftp://"):
        load(environment={"AUTOPLAYBACK_TAPES": "ftp://x"})


def test_a_file_that_is_missing_or_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to do; where a config isn't required, only the default file may be missing."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="autoplayback init"):
        load(environment={})
    assert load(environment={}, required=False).settings.service == tmp_path.name
    with pytest.raises(ConfigError, match="no such file"):
        load("mine.yaml", environment={}, required=False)
    (tmp_path / "autoplayback.yml").write_text("")
    with pytest.raises(ConfigError, match=r"autoplayback\.yml is there"):
        load(environment={})
    with pytest.raises(ConfigError, match="is a folder"):
        load(tmp_path, environment={})
    if os.geteuid() != 0:
        (tmp_path / "locked.yaml").write_text("")
        (tmp_path / "locked.yaml").chmod(0)
        with pytest.raises(ConfigError, match="can't be read: Permission denied"):
            load("locked.yaml", environment={})


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("abt:-[]{}\"'*&!|>#,. \n\t%@`01<?")), max_size=60))
def test_no_text_brings_another_exception(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever stands in the file: settings, or a ConfigError with a place."""
    folder = tmp_path_factory.getbasetemp()
    error = None
    try:
        read(folder, text)
    except ConfigError as caught:
        error = caught
    assert error is None or all(place is not None and place.line for place, _ in error.problems)
