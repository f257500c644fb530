"""The examples do what their texts say, run as a reader would run them."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from tests.journeys.moves import Project
from tests.servers import processes

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"


def copied(name, folder):
    """An example in a folder of its own, as a project."""
    shutil.copytree(EXAMPLES / name, folder / name)
    return Project(folder / name, (EXAMPLES / name / "autoplayback.yaml").read_text())


def change(project, name, old, new):
    """Changes the service's code."""
    text = (project.folder / name).read_text()
    assert old in text
    project.write(name, text.replace(old, new))


def test_the_readme_and_the_basket_example_are_the_same_code():
    """What a reader copies from the page is what is tested here."""
    readme = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```(?:python|yaml)\n(.*?)```", readme, re.DOTALL)
    assert (EXAMPLES / "basket" / "basket.py").read_text() in blocks
    assert (EXAMPLES / "basket" / "autoplayback.yaml").read_text() in blocks


def test_basket_goes_as_the_readme_tells(tmp_path):
    """Recorded; replayed without its files; changed; changed so that it asks for something else."""
    project = copied("basket", tmp_path)
    check = project.autoplayback("check")
    assert (check.status, "3 intercepted" in check.out) == (0, True)
    recorded = project.python("basket.py", AUTOPLAYBACK="record")
    assert recorded.out.splitlines()[-1] == "{'customer': 'eve', 'total': 69.83}"
    assert len(project.tapes()) == 3

    (project.folder / "rates.json").unlink()
    (project.folder / "outbox.txt").unlink()
    assert project.replay().verdicts == {"equal": 3}
    assert not (project.folder / "outbox.txt").exists()

    change(project, "basket.py", "price * count for", "price * count * (0.9 if count >= 12 else 1) for")
    replay = project.replay()
    assert (replay.status, replay.verdicts) == (1, {"equal": 2, "different": 1})
    for line in ("result.total  recorded 69.83  replayed 65.14",
                 "outputs.basket:mail[0].args.text  recorded 'you paid 69.83 EUR'  replayed 'you paid 65.14 EUR'",
                 "3 tapes in"):
        assert line in replay.out

    change(project, "basket.py", "rate(currency), 2", "rate(currency.lower()), 2")
    replay = project.replay("--limit", "1")
    assert (replay.status, replay.verdicts) == (1, {"diverged": 1})
    assert "asked at basket.py:14 in checkout" in replay.out
    assert "recorded 'EUR', now 'eur'" in replay.out


def test_basic_is_judged_by_what_it_stores_and_by_its_own_comparator(tmp_path):
    """The key that the store gave differs each time; the bill decides, and in the customers' suite their eyes do."""
    project = copied("basic", tmp_path)
    assert project.python("service.py", AUTOPLAYBACK="record").status == 0
    assert project.replay().verdicts == {"equal": 10}
    change(project, "service.py", "* 1.20", "* 1.60")
    assert set(project.replay().verdicts) <= {"different", "equal"}  # nobody pays more for no water
    assert set(project.replay("--suite", "customers").verdicts) <= {"degraded", "equal"}


def test_flask_fetches_nothing_at_replay(tmp_path):
    """The page it looked at is gone by then."""
    project = copied("flask", tmp_path)
    (project.folder / "page.txt").write_text("what a page says")
    handler = lambda *args: http.server.SimpleHTTPRequestHandler(*args, directory=project.folder)  # noqa: E731
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    page = f"http://127.0.0.1:{site.server_port}/page.txt"
    port = processes.free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--no-control-socket", "pages:app"]
    with project.serving(command, port):
        url = f"http://127.0.0.1:{port}"
        assert requests.post(f"{url}/content_length", json={"url": page}, timeout=10).json() == 16
        assert requests.post(f"{url}/content_first_chars", json={"url": page, "length": 6}, timeout=10).json() == "what a"
        assert requests.post(f"{url}/content_length", json={"url": f"{page}.not"}, timeout=10).status_code == 500
    site.shutdown()
    site.server_close()

    assert project.replay().verdicts == {"equal": 3}
    change(project, "pages.py", "[:length]", "[: length - 1]")
    replay = project.replay()
    assert replay.verdicts == {"equal": 2, "different": 1}
    assert {difference["at"] for result in replay.results for difference in result["differences"]} >= {"result.body"}


@pytest.mark.slow
def test_transit_shows_half_a_per_cent_that_no_plan_shows(tmp_path):
    """Each plan is within its tolerance; the mean over all of them isn't, and fails the run."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", EXAMPLES / "transit" / "run.sh", tmp_path / "out"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=170)
    assert run.returncode == 1, run.stdout + run.stderr
    before, after = run.stdout.split("Faster:")
    assert "60 equal" in before
    means = [float(mean) for mean in re.findall(r"cost changed by \+(0\.\d+)% on average", after)]
    assert len(means) == 2
    assert all(0.2 < mean < 1 for mean in means)
    results = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert {result["verdict"] for result in results if "tape" in result} <= {"equal", "improved"}
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
