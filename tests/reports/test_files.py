"""The report files, made from a run of every verdict."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import xmlschema

from autoplayback.equalizer import Difference
from autoplayback.errors import CassetteError
from autoplayback.reports import files
from autoplayback.studio.results import Result, ResultsError, parsed, read_lines, write_lines
from autoplayback.studio.tally import Summary, Tally, summary_of
from tests.reports.runs import HOSTILE, run

JUNIT = Path(__file__).with_name("junit.xsd")
HOSTILE_TEXT = "\x00\x1b[31m\u202e\ud800 <img onerror='x'> ]]> & \"quoted\" \ufffe \U0001f600\n\tnext"


@pytest.fixture(scope="module")
def found() -> list[Result]:
    """Eighty results."""
    return list(run(80))


@pytest.fixture(scope="module")
def summary(found: list[Result]) -> Summary:
    """Of the run."""
    tally = Tally(by="customer")
    for result in found:
        tally.add(result)
    return tally.summary(1.5)


def test_lines_come_back_as_they_were(found: list[Result], summary: Summary, tmp_path: Path) -> None:
    """Each result, and at the end the summary."""
    path = tmp_path / "results.jsonl"
    with path.open("w") as stream:
        write_lines(stream, found, summary.line())
    *results, last = read_lines(path)
    assert [result.line() for result in results if isinstance(result, Result)] == [
        json.loads(json.dumps(result.line())) for result in found
    ]
    assert isinstance(last, dict)
    assert summary_of(last).line() == json.loads(json.dumps(summary.line()))


def test_a_line_has_the_keys_of_the_contract(found: list[Result]) -> None:
    """Other programs read these."""
    line = found[3].line()
    assert list(line)[:8] == ["tape", "operation", "verdict", "reason", "differences", "calls", "seconds", "metadata"]
    assert line["calls"].keys() == {"recorded", "answered", "unused", "unanswered"}
    assert line["differences"] == [
        {"at": "result.total", "recorded": 412.5, "replayed": 411.0} | {"digest": line["differences"][0]["digest"]}
    ]


@pytest.mark.parametrize("text", ["{", "[]", '{"tape": 1}', '{"tape": "x", "operation": "o", "verdict": "fine"}', "\ud800"])
def test_a_broken_line_is_named(text: str, tmp_path: Path) -> None:
    """By file and number."""
    path = tmp_path / "results.jsonl"
    path.write_bytes(b"\n" + text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ResultsError, match=re.escape(str(path))):
        list(read_lines(path))


def test_lines_are_strict_json(found: list[Result], tmp_path: Path) -> None:
    """Other programs read them; they know no NaN."""
    path = tmp_path / "results.jsonl"
    with path.open("w") as stream:
        write_lines(stream, [replace(found[3], metadata={"share": float("nan"), "list": [1e400]})])
    (result,) = read_lines(path)
    assert isinstance(result, Result)
    assert result.metadata == {"share": "nan", "list": ["inf"]}
    assert "NaN" not in path.read_text()


def test_unknown_keys_are_kept() -> None:
    """A later version's results can be passed on by an earlier one."""
    assert parsed({"tape": "x", "operation": "o", "verdict": "equal", "colour": "blue"}).line()["colour"] == "blue"


@pytest.fixture(scope="module")
def schema() -> Any:
    """What the two schemas that CI servers check with have in common."""
    return xmlschema.XMLSchema(str(JUNIT))


def test_junit_is_what_ci_servers_accept(found: list[Result], summary: Summary, tmp_path: Path, schema: Any) -> None:
    """Valid; every tape is a case, what doesn't pass a failure or an error, what passes and isn't equal is told of its suite."""
    path = tmp_path / "junit.xml"
    files.write(files.Wanted(junit=str(path)), lambda: found, summary)
    schema.validate(str(path))
    (suite,) = ElementTree.parse(path).getroot()
    assert len(suite.findall("testcase")) == int(suite.get("tests", "0")) == 80
    assert len(suite.findall(".//failure")) == int(suite.get("failures", "0")) == 14
    assert len(suite.findall(".//error")) == int(suite.get("errors", "0")) == 2
    assert {entry.get("name"): entry.get("value") for entry in suite.iter("property")}["verdict.fixed"] == "2"
    told = suite.findtext("system-out", "").splitlines()
    assert [line.partition(" ")[0] for line in told] == ["fixed", "improved", "fixed", "improved"]
    assert "recorded: raised ZeroDivisionError: division by zero; replayed: returned" in told[0]


def test_junit_holds_whatever_a_tape_says(found: list[Result], summary: Summary, tmp_path: Path, schema: Any) -> None:
    """Characters that XML can't hold, markup, the end of a CDATA section: in names, messages, metadata and texts."""
    hostile = [
        replace(
            result,
            operation=f"place {HOSTILE_TEXT}",
            reason=HOSTILE_TEXT,
            metadata={HOSTILE_TEXT: HOSTILE_TEXT},
            differences=(Difference(HOSTILE_TEXT, HOSTILE_TEXT, HOSTILE_TEXT * 100),),
        )
        for result in found[:8]
    ]
    path = tmp_path / "junit.xml"
    files.write(files.Wanted(junit=str(path)), lambda: hostile, summary)
    schema.validate(str(path))
    assert ElementTree.parse(path).getroot()[0].findall("testcase")[7].find("failure") is not None
    files.write(files.Wanted(junit=str(path)), list, summary)
    schema.validate(str(path))


def test_markdown_stays_below_what_a_summary_page_takes(found: list[Result], summary: Summary, tmp_path: Path) -> None:
    """However many causes there are."""
    many = [replace(found[3], reason=f"reason {number}", operation=f"operation {number}") for number in range(8000)]
    path = tmp_path / "summary.md"
    files.write(files.Wanted(markdown=str(path)), lambda: many, summary)
    assert 500_000 < path.stat().st_size < 900_000
    assert "more causes" in path.read_text()


def test_markdown_is_not_marked_up_by_a_tape(found: list[Result], summary: Summary, tmp_path: Path) -> None:
    """Foreign text stands in code or escaped."""
    path = tmp_path / "summary.md"
    files.write(files.Wanted(markdown=str(path)), lambda: found, summary)
    outside = re.sub(r"(`+).*?\1", "", path.read_text(), flags=re.DOTALL)
    assert "<script>" not in outside
    assert "<img" not in outside


def test_a_failure_has_a_page_of_its_own(found: list[Result], summary: Summary, tmp_path: Path) -> None:
    """With the miss, the YAML that allows it, the calls, and the command that checks the repair."""
    files.write(files.Wanted(failures=str(tmp_path / "failures")), lambda: found, summary)
    pages = sorted((tmp_path / "failures").iterdir())
    assert len(pages) == 16
    page = next(path for path in pages if path.name.startswith("diverged")).read_text()
    for part in ("load\\_stock", "orders/checkout.py:42", "on_missing: call", "## Calls as recorded", "autoplayback replay 01JD"):
        assert part in page


def test_pages_of_one_cause_leave_room_for_the_others(found: list[Result], summary: Summary, tmp_path: Path) -> None:
    """Thirty that differ in the same place, then one that doesn't."""
    bad = [*(replace(found[3], tape=f"T{number}") for number in range(30)), found[15]]
    files.write(files.Wanted(failures=str(tmp_path / "failures")), lambda: bad, summary)
    written = sorted(path.name for path in (tmp_path / "failures").iterdir())
    assert len(written) == 21
    assert sum(name.startswith("failed-") for name in written) == 1


def test_pages_have_names_that_file_systems_take(found: list[Result], summary: Summary, tmp_path: Path) -> None:
    """However an operation is called; each tape keeps a file of its own."""
    names = ["../../etc/passwd", "日本" * 200, "a" * 400, HOSTILE_TEXT]
    bad = [replace(found[3], operation=name, tape=f"T{number}") for name in names for number in range(3)]
    files.write(files.Wanted(failures=str(tmp_path / "failures")), lambda: bad, summary)
    written = [path.name for path in (tmp_path / "failures").iterdir()]
    assert len(written) == 12
    assert all(name.isascii() and len(name) < 255 and name.startswith("different-") for name in written)


def test_a_degraded_tapes_page_has_its_metrics(found: list[Result], summary: Summary, tmp_path: Path) -> None:
    """Each with what it was, what it is, and how far it might have gone."""
    files.write(files.Wanted(failures=str(tmp_path / "failures")), lambda: found, summary)
    page = next((tmp_path / "failures").glob("degraded-*")).read_text()
    (row,) = (line for line in page.splitlines() if line.startswith("| `result.cost` |"))
    assert "worse, lower is better" in row
    reading = next(result for result in found if result.verdict.value == "degraded").metrics[0]
    assert f"| {reading.recorded:.12g} | {reading.replayed:.12g} | ±{reading.allowed:.6g} |" in row


def test_the_page_holds_no_markup_of_a_tape(found: list[Result], summary: Summary, tmp_path: Path) -> None:
    """Nothing of a tape stands in the page but compressed."""
    path = tmp_path / "report.html"
    files.write(files.Wanted(html=str(path)), lambda: found, summary)
    page = path.read_text()
    assert HOSTILE not in page
    assert "onerror" not in page
    assert page.count("<script") == page.count("</script>") == 1 + 1 + page.count('id="block-')


def test_a_file_is_written_whole_or_not_at_all(found: list[Result], summary: Summary, tmp_path: Path) -> None:
    """The old report stays when making the new one fails."""
    path = tmp_path / "junit.xml"
    path.write_text("old")

    def breaking() -> Any:
        yield found[0]
        raise ResultsError("cut")

    with pytest.raises(ResultsError):
        files.write(files.Wanted(junit=str(path)), breaking, summary)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(CassetteError, match=r"junit\.xml"):
        files.write(files.Wanted(junit=str(tmp_path / "junit.xml" / "x")), lambda: found, summary)
