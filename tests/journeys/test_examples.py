"""The examples do what their READMEs say: the commands in them are run as they stand, in a copy."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.moves import Project
from tests.servers import processes

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
TOLERANCE = 0.002  # of the transit example's costs


class Example(Project):
    """A copy of an example, and its README's commands."""

    def __init__(self, name: str, folder: Path) -> None:
        shutil.copytree(EXAMPLES / name, folder / name, ignore=shutil.ignore_patterns("run", "__pycache__", ".autoplayback"))
        self.folder = folder / name
        readme = self.folder / "README.md"
        blocks = re.findall(r"^```console\n(.*?)^```", readme.read_text(), re.DOTALL | re.MULTILINE) if readme.exists() else []
        self.steps = ["\n".join(re.findall(r"^\$ (.*)", block, re.MULTILINE)) for block in blocks]
        """The commands of each block."""

    def shell(self, commands: str, timeout: float = 280) -> subprocess.CompletedProcess[str]:
        """Runs commands as a reader would paste them, with the installed `autoplayback` and `python` first on the path."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("AUTOPLAYBACK")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{variables['PATH']}"
        return subprocess.run(
            ["bash", "-c", commands],
            cwd=self.folder,
            env={**variables, "PATH": path, "PORT": str(processes.free_port()), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def change(self, name: str, old: str, new: str) -> None:
        """Changes the service's code."""
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))


def ending(run: subprocess.CompletedProcess[str]) -> str:
    """The verdicts that a replay's last line counts: `9 equal, 1 different`."""
    lines = run.stdout.splitlines() or [""]
    assert " tapes in " in lines[-1], run.stdout + run.stderr
    return lines[-1].rpartition(": ")[2]


def test_the_readme_and_the_basket_example_are_the_same_code():
    """What a reader copies from the project's page is what is tested here."""
    readme = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```(?:python|yaml)\n(.*?)```", readme, re.DOTALL)
    assert (EXAMPLES / "basket" / "basket.py").read_text() in blocks
    assert (EXAMPLES / "basket" / "autoplayback.yaml").read_text() in blocks


def test_basket_goes_as_the_readme_tells(tmp_path):
    """Recorded; replayed without its files; changed; changed so that it asks for something else."""
    basket = Example("basket", tmp_path)
    check = basket.autoplayback("check")
    assert (check.status, "3 intercepted" in check.out) == (0, True)
    recorded = basket.python("basket.py", AUTOPLAYBACK="record")
    assert recorded.out.splitlines()[-1] == "{'customer': 'eve', 'total': 69.83}"
    assert len(basket.tapes()) == 3

    (basket.folder / "rates.json").unlink()
    (basket.folder / "outbox.txt").unlink()
    assert basket.replay().verdicts == {"equal": 3}
    assert not (basket.folder / "outbox.txt").exists()

    basket.change("basket.py", "price * count for", "price * count * (0.9 if count >= 12 else 1) for")
    replay = basket.replay()
    assert (replay.status, replay.verdicts) == (1, {"equal": 2, "different": 1})
    for line in (
        "result.total  recorded 69.83  replayed 65.14",
        "outputs.basket:mail[0].args.text  recorded 'you paid 69.83 EUR'  replayed 'you paid 65.14 EUR'",
        "3 tapes in",
    ):
        assert line in replay.out

    basket.change("basket.py", "rate(currency), 2", "rate(currency.lower()), 2")
    replay = basket.replay("--limit", "1")
    assert (replay.status, replay.verdicts) == (1, {"diverged": 1})
    assert "asked at basket.py:14 in checkout" in replay.out
    assert "recorded 'EUR', now 'eur'" in replay.out


def test_basic_is_judged_by_the_bill_and_not_by_its_key(tmp_path):
    """Ten are recorded and five replayed; a dearer tariff differs exactly where more than 4 cubic metres were read."""
    basic = Example("basic", tmp_path)
    record, change, customers = basic.steps
    run = basic.shell(record)
    assert (run.returncode, ending(run)) == (0, "5 equal"), run.stderr
    tapes = [tape["tape"] for tape in basic.tapes()]
    assert len(tapes) == 10

    litres = {}
    for tape in tapes:
        (call,) = [call for call in basic.autoplayback("show", tape, "--json").lines[0]["calls"] if call["role"] == "input"]
        litres[tape] = call["result"]["litres"]
    basic.shell(change)  # its count depends on the readings, which are random
    replay = basic.replay()
    dearer = {tape for tape, read in litres.items() if bill(read, 4) != bill(read, 5)}
    assert {result["tape"] for result in replay.results if result["verdict"] == "different"} == dearer
    assert {result["tape"] for result in replay.results if result["verdict"] == "equal"} == set(tapes) - dearer
    assert {difference["at"] for result in replay.results for difference in result["differences"]} <= {
        "outputs.store[0].args.bill.amount"
    }
    degraded = sum(bill(read, 4) - bill(read, 5) > 0.015 for read in litres.values())
    counts = [f"{10 - degraded} equal"] * (degraded < 10) + [f"{degraded} degraded"] * (degraded > 0)
    assert ending(basic.shell(customers)) == ", ".join(counts)


def bill(litres, tier):
    """What the example's service asks for."""
    cubic = litres / 1000
    return round(min(cubic, tier) * 1.20 + max(cubic - tier, 0) * 2.10, 2)


def test_flask_is_replayed_without_the_pages_it_looked_at(tmp_path):
    """Recorded under Flask's own server; a change in what is counted differs for the one page with Greek letters."""
    flask = Example("flask", tmp_path)
    record, change = flask.steps
    run = flask.shell(record)
    assert (run.returncode, ending(run)) == (0, "12 equal"), run.stdout + run.stderr
    assert sorted(tape["metadata"]["status"] for tape in flask.tapes()) == [200] * 9 + [502] * 3
    (flask.folder / "told.db").unlink()

    run = flask.shell(change)
    assert (run.returncode, ending(run)) == (1, "11 equal, 1 different"), run.stdout + run.stderr
    assert not (flask.folder / "told.db").exists()
    (different,) = [result for result in flask.replay().results if result["verdict"] == "different"]
    greek = "<p>Καλημέρα, κόσμε</p>"
    numbers = {difference["at"]: (difference["recorded"], difference["replayed"]) for difference in different["differences"]}
    expected = (len(greek.encode()), len(greek))
    assert numbers == {"result.body.length": expected, "outputs.log[0].args.told": expected}


@pytest.fixture(scope="module")
def transit(tmp_path_factory):
    """The transit example after its README's first command, and that command's run."""
    example = Example("transit", tmp_path_factory.mktemp("transit"))
    return example, example.shell(example.steps[0])


def results(example, name):
    """The results of one of the three replays, by tape."""
    lines = [json.loads(line) for line in (example.folder / "run" / f"{name}.jsonl").read_text().splitlines()]
    return {line["tape"]: line for line in lines if "tape" in line}


def costs(example, result):
    """What a tape's plan cost, recorded and replayed; None where the operation made no plan."""
    path = {"http": "result.body.cost", "plan_job": "result.cost"}[result["operation"]]
    found = [metric for metric in result.get("metrics", []) if metric["path"] == path]
    return (found[0]["recorded"], found[0]["replayed"]) if found else None


@pytest.mark.slow
@pytest.mark.timeout(300)  # the first of these records and replays; two cores may be shared by many
def test_transit_is_equal_without_its_database(transit):
    """30 requests and 12 jobs, from two processes; each plan has a random id and a time of its own."""
    example, run = transit
    assert run.returncode == 0, run.stdout + run.stderr
    same = results(example, "same")
    assert {result["verdict"] for result in same.values()} == {"equal"}
    operations = [result["operation"] for result in same.values()]
    assert (operations.count("http"), operations.count("plan_job")) == (30, 12)
    assert not (example.folder / "run" / "service" / "transit.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("change", "wrong"), [("hasty", "degraded"), ("thorough", "improved")])
def test_transit_judges_each_plan_and_the_run_by_cost(transit, change, wrong):
    """Checked against planning directly with both searches; the report names the metric, its mean and its interval."""
    example, run = transit
    direct = {name: planned(example, name) for name in ("service", change)}
    found = results(example, change)
    judged = [result for result in found.values() if costs(example, result)]
    assert len(judged) == 24
    seen = set()
    for result in judged:
        before, after = costs(example, result)
        seen.add((before, after))
        worse = (after - before) / before
        expected = "equal" if abs(worse) <= TOLERANCE else "degraded" if worse > 0 else "improved"
        assert result["verdict"] == expected
        if expected != "equal":
            assert "cost went from" in result["reason"]
    assert seen == set(zip(direct["service"], direct[change], strict=True))
    assert sum(result["verdict"] == wrong for result in judged) >= 8
    assert {result["verdict"] for result in found.values()} == {"equal", wrong}

    section = run.stdout.split("--- replaying")[3 if change == "thorough" else 2]
    mean = rf"^{wrong} +(\S+ \S+) changed by ([+-]0\.\d+)% on average over 12 tapes \(95% interval"
    means = dict(re.findall(mean, section, re.MULTILINE))
    assert set(means) == {"http: result.body.cost", "plan_job: result.cost"}
    assert all(0.3 < mean < 0.8 if wrong == "degraded" else -0.8 < mean < -0.1 for mean in map(float, means.values()))
    assert ("exit status 1" in section) == (wrong == "degraded")
    page = (example.folder / "run" / f"{change}.html").read_text()
    assert wrong in page
    assert len(page) > 20_000


def planned(example, folder):
    """The costs of all of the example's plans with the code in a folder, run directly."""
    script = (
        "import json, store, planner\n"
        "store.DATABASE = '../transit.db.away'\n"
        "import timetable\n"
        "print(json.dumps([planner.plan(*store.timetable(customer, depot), seed).cost\n"
        "    for customer, depots in timetable.DEPOTS.items() for depot in depots for seed in (1, 2, 11, 12)]))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=example.folder / "run" / folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.slow
def test_transit_shows_over_the_run_what_no_plan_shows(transit):
    """With 2% for each plan all are equal; the mean over all of them isn't by accident, and fails the run."""
    example, _ = transit
    run = example.shell("cd run/service && autoplayback replay --jobs 2 --workdir ../hasty --suite lenient")
    assert (run.returncode, ending(run)) == (1, "42 equal"), run.stdout + run.stderr
    assert len(re.findall(r"^degraded +\S+ \S+cost changed by \+0\.\d+% on average", run.stdout, re.MULTILINE)) == 2


@pytest.mark.slow
def test_transit_takes_a_forgotten_trip_for_a_fault(transit):
    """It makes the plan cheaper, but `improved` is only what runs the same trips."""
    example, _ = transit
    forgetful = example.folder / "run" / "forgetful"
    shutil.copytree(example.folder / "run" / "service", forgetful, ignore=shutil.ignore_patterns(".autoplayback"))
    search = forgetful / "search.py"
    search.write_text(search.read_text().replace("    return blocks\n", "    return blocks[:-1]\n"))
    run = example.shell("cd run/service && autoplayback replay --workdir ../forgetful --operation plan_job --limit 4")
    assert (run.returncode, ending(run)) == (1, "4 different"), run.stdout + run.stderr
    assert "outputs.save[0].args.plan.trips  recorded" in run.stdout


@pytest.mark.slow
def test_transit_has_more_to_play_with(transit):
    """The README's last commands: a customer's jobs, and two suites."""
    example, _ = transit
    run = example.shell(example.steps[1])
    assert run.returncode == 1, run.stderr
    assert run.stdout.count("customer=metro") >= 6
    assert " tapes in " in run.stdout.splitlines()[-1]
