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
    assert place is not None and (place.line, place.column) == (12, 13)
    assert found.place("inputs", 0, "files") == found.place("inputs", 0), "what isn't written is at what is around it"


@pytest.mark.parametrize(("text", "expected"), [
    ("operatons: []\n", ["1:1: unknown key 'operatons'; did you mean 'operations'?"]),
    ("operations:\n  - target: a:b\n    nmae: x\n", ["3:5: unknown key 'nmae' in operations[0]; did you mean 'name'?"]),
    ("service: 5\n", ["1:10: service: expected a text, found the number 5; put quotes around it: \"5\""]),
    ("service: true\n", ["1:10: service: expected a text, found `true`; put quotes around it: \"true\""]),
    ("inputs: orders:f\n", ["1:9: inputs: expected a list, found the text 'orders:f'; put each entry on a line of its own, "
                            "beginning with `- `"]),
    ("inputs:\n  target: a:b\n", ["2:3: inputs: expected a list, found a map; put each entry on a line of its own, beginning with `- `"]),
    ("operations: [{target: a:b}]\noperations: []\n", ["2:1: duplicate key 'operations', first on line 1; remove one"]),
    ("operations:\n  - name: x\n", ["2:5: operations[0]: what is meant? add one of target, wsgi, asgi, celery"]),
    ("inputs:\n  - alias: x\n", ["2:5: inputs[0]: what is meant? add one of target, preset"]),
    ("inputs:\n  - {target: a:b, preset: requests}\n", ["2:19: inputs[0]: target and preset exclude each other; make two entries of them"]),
    ("inputs:\n  - preset: reqests\n", ["2:13: there is no preset 'reqests'; did you mean 'requests'?"]),
    ("inputs:\n  - preset: kafka\n", ["2:13: there is no preset 'kafka'; there are requests, sqlite3, urllib3"]),
    ("inputs:\n  - target: a.b.c\n", ["2:13: 'a.b.c' has no colon between module and name; did you mean a.b:c?"]),
    ("inputs:\n  - target: \"a b:c\"\n", ["2:15: 'a b' is no Python name in the module 'a b'"]),
    ("operations:\n  - target: a:f_*\n", ["2:17: 'f_*': one thing is meant here, without a glob"]),
    ("inputs:\n  - {target: a:b, on_missing: fial}\n",
     ["2:31: inputs[0].on_missing: expected 'call' or 'fail' or a map (of return), found the text 'fial'; did you mean 'fail'?"]),
    ("inputs:\n  - {target: a:b, on_missing: {retrun: 1}}\n",
     ["2:31: inputs[0].on_missing: 'return' is missing; add it", "2:32: unknown key 'retrun' in inputs[0].on_missing; did you mean 'return'?"]),
    ("redact: [\"a.b..c\"]\n", ["1:15: a name is missing before '.c' in the path 'a.b..c'"]),
    ("redact:\n  - 'it''s'\n", ["2:8: expected `.` or `[` before \"'s\" in the path \"it's\""]),
    ("redact: [/a(/]\n", ["1:12: '/a(/' is no regular expression: missing ), unterminated subpattern at position 1"]),
    ("compare: {ignore: [trace_id]}\n",
     ["1:20: 'trace_id' begins neither with result, error nor outputs; did you mean 'result.trace_id'?"]),
    ("compare: {tolerance: {\"output.mail.args.x\": {rel: 1}}}\n",
     ["1:24: 'output.mail.args.x' begins neither with result, error nor outputs; did you mean 'outputs.mail.args.x'?"]),
    ("compare: {tolerance: {result.x: {rel: -1}}}\n", ["1:39: compare.tolerance[\"result.x\"].rel: -1 is out of bounds; write a number 0 or more"]),
    ("compare: {normalize: [uuid]}\n", ["1:23: 'uuid' is neither uuids, timestamps nor a path; did you mean 'uuids'?"]),
    ("compare: {metrics: {result.x: {better: less, tolerance: 5%%}}}\n",
     ["1:40: compare.metrics[\"result.x\"].better: expected 'higher' or 'lower', found the text 'less'",
      "1:57: '5%%' is neither a number nor a share such as 0.5%"]),
    ("sampling: {rate: 2}\n", ["1:18: sampling.rate: 2 is out of bounds; write a number between 0 and 1"]),
    ("sampling: {rate: .nan}\n", ["1:18: sampling.rate: nan is out of bounds; write a number between 0 and 1"]),
    ("sampling: {rate: \"0.5\"}\n", ["1:18: sampling.rate: expected a number, found the text '0.5'; leave out the quotes"]),
    ("sampling: {always: [\"duration >\"]}\n", ["1:32: 'duration >' compares with nothing"]),
    ("sampling: {per_minute: 0}\n", ["1:24: sampling.per_minute: 0 is out of bounds; write a number 1 or more"]),
    ("suites: {n: {since: last week}}\n", ["1:21: 'last week' is no moment; write 7d (that long ago), 2026-11-01 or 2026-11-01T12:30"]),
    ("suites: {n: {where: [customer]}}\n", ["1:30: 'customer' has no operator; write KEY=VALUE (also != < <= > >= ~)"]),
    ("suites: {n: {fail_over: {differnt: 1}}}\n", ["1:26: unknown key 'differnt' in suites.n.fail_over; did you mean 'different'?"]),
    ("operations: [{target: a:b, metadata: {x: order.*}}]\n", ["1:48: 'order.*': a metadata value is one place; write it without wildcards"]),
    ("operations: [{target: a:b, instance: nwe}]\n",
     ["1:38: 'nwe' is neither `new`, `recorded` nor a factory module:function; did you mean 'new'?"]),
    ("operations: [{target: a:b}, {target: a:b}]\n", ["1:38: the target 'a:b' is declared already on line 1; remove one"]),
    ("inputs: [{target: a:b}]\noutputs: [{target: a:b}]\n", ["2:20: the target 'a:b' is declared already on line 1; remove one"]),
    ("tapes: gs://bucket\n", ["1:8: there are no tapes at gs://; write a folder, or s3://bucket/prefix"]),
    ("tapes: s3://\n", ["1:13: the bucket's name is missing; write s3://bucket/prefix"]),
    ("trust: [or-ders]\n", ["1:9: 'or-ders' is no package; write its dotted name, such as orders.models"]),
    ("service: \"\"\ninputs:\n  - {target: a:b, alias: ' '}\n", ["3:26: inputs[0].alias: the text is empty"]),
    ("- a\n- b\n", ["1:1: expected a map of settings, found a list; begin with `operations:`"]),
    ("just words\n", ["1:1: expected a map of settings, found the text 'just words'; begin with `operations:`"]),
    ("? [1]\n: 2\n", ["1:3: the file: a key has to be a text, not a list"]),
    ("", ["1:1: the file is empty; `autoplayback init` shows what to write"]),
    ("# only a comment\n", ["1:1: the file is empty; `autoplayback init` shows what to write"]),
    ("a: &x {<<: *x}\n", ["1:1: unknown key 'a'; valid are compare, environment, inputs, limits, moved, operations, outputs, redact, s3, "
                          "sampling, service, suites, tapes, trust"]),
    ("inputs: [{target: a:b, on_missing: {return: &x [*x]}}]\n", ["1:45: an alias to something around itself; a value can't be endless"]),
])
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
    found = problems(tmp_path, EVERYTHING.replace("name: place_order", "nam: x").replace("rel:", "rle:").replace("trust:", "tust:"))
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
    found = read(tmp_path, "operations: [{target: m:f}]\nservice: no\nsuites: {on: {since: 2026-11-01, operation: 1:30}}\nenvironment: [NO, yes]\n")
    assert found.settings.service == "no"
    assert found.settings.suites["on"].since == "2026-11-01"
    assert found.settings.suites["on"].operation == "1:30"
    assert found.settings.environment == ["NO", "yes"]


def test_what_is_suspicious_but_not_wrong_is_a_warning(tmp_path: Path) -> None:
    """Sampling by metadata that nobody gives; nothing to record at all."""
    found = read(tmp_path, "operations: [{target: m:f, metadata: {customer: c}}]\nsampling: {by: custmer}\n")
    assert [text for _, text in found.warnings] == ["no operation has the metadata 'custmer'; did you mean 'customer'?"]
    assert [text for _, text in read(tmp_path, "service: x\n").warnings] == ["no operations are declared: nothing will be recorded"]


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
    try:
        read(folder, text)
    except ConfigError as error:
        assert all(place is not None and place.line for place, _ in error.problems)
