"""`list` and `show`, as a user and as a script sees them; neither ever imports the service."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from autoplayback.config.settings import Settings
from autoplayback.recorder.spool import Spool
from autoplayback.tape.model import Tape
from tests.cli.conftest import ROOT, Command


def test_list_in_a_pipe_is_a_line_a_tape_newest_first(command: Command, recorded: list[Tape]) -> None:
    """Tabs between the columns, and what a service wrote can't steer the terminal."""
    done = command("list")
    assert done.returncode == 0
    assert not done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == [tape.id for tape in reversed(recorded)]
    assert rows[2][5:] == ["raised", "place_order", "customer=globex"]
    assert rows[1][7] == r"customer=acme note=\x1b[31mred\n"


def test_list_json_has_the_keys_of_the_contract(command: Command, recorded: list[Tape]) -> None:
    """A JSON object a line."""
    rows = [json.loads(line) for line in command("list", "--json").stdout.splitlines()]
    assert [set(row) for row in rows] == [
        {"tape", "operation", "started", "seconds", "outcome", "calls", "bytes", "metadata"}
    ] * 4
    assert rows[0]["metadata"] == {"customer": "initech", "total": 12.5}
    assert rows[0]["started"] == "2026-09-21T14:13:20.000000Z"
    assert rows[0]["seconds"] == 0.007
    assert rows[0]["calls"] == 2


def test_the_filters_of_list(command: Command, recorded: list[Tape]) -> None:
    """By operation, condition, time and count; together, all must hold."""
    def ids(*flags: str) -> list[str]:
        return [json.loads(line)["tape"] for line in command("list", "--json", *flags).stdout.splitlines()]

    oldest, failed, cancelled, newest = [tape.id for tape in recorded]
    assert ids("--operation", "cancel_order") == [cancelled]
    assert ids("--operation", "*_order", "--where", "customer=acme") == [cancelled, oldest]
    assert ids("--where", "error") == [failed]
    assert ids("--where", "total>20", "--where", "customer~a*") == [oldest]
    assert ids("--limit", "1") == [newest]
    assert ids("--until", "2026-09-21T14:00:00+00:00") == [failed, oldest]
    assert len(ids("--sample", "3", "--by", "customer", "--seed", "4")) == 3


def test_no_tape_matched_is_exit_5(command: Command, recorded: list[Tape]) -> None:
    """With a word on stderr and nothing on stdout."""
    done = command("list", "--operation", "nothing")
    assert (done.returncode, done.stdout) == (5, "")
    assert "no tape matched" in done.stderr
    assert "did you mean 'place_order'?" in command("list", "--operation", "palce_order").stderr


@pytest.mark.parametrize("name", ["list", "replay", "noise"])
def test_a_key_that_no_tape_has_is_told_with_the_nearest(command: Command, recorded: list[Tape], name: str) -> None:
    """Where it finds nothing it is why; where it finds all, or draws from one heap, it is a warning."""
    done = command(name, "--where", "custommer=acme")
    assert done.returncode == 5
    assert "no tape has metadata 'custommer'; did you mean 'customer'?" in done.stderr
    assert "did you mean 'seconds'?" in command(name, "--where", "second>1").stderr
    if name == "list":
        for arguments in (("--where", "custommer!=acme"), ("--sample", "2", "--by", "custommer")):
            done = command(name, *arguments)
            assert done.returncode == 0
            assert "warning: no tape has metadata 'custommer'; did you mean 'customer'?" in done.stderr
        assert command(name, "--where", "customer!=acme").stderr == ""


def test_tapes_elsewhere_need_no_config(
    command: Command, recorded: list[Tape], tmp_path_factory: pytest.TempPathFactory, shop: Path
) -> None:
    """`--tapes` is enough, before the command or after it; a folder that isn't there is an error."""
    elsewhere = tmp_path_factory.mktemp("empty")
    url = str(shop / ".autoplayback/tapes")
    assert len(command("list", "--tapes", url, cwd=elsewhere).stdout.splitlines()) == 4
    assert len(command("--tapes", url, "list", cwd=elsewhere).stdout.splitlines()) == 4
    assert len(command("list", cwd=elsewhere, AUTOPLAYBACK_TAPES=url).stdout.splitlines()) == 4
    assert command("list", cwd=elsewhere).returncode == 2
    assert command("list", "--tapes", str(elsewhere), cwd=elsewhere).returncode == 5


def test_wrong_filters_are_told_together(command: Command, recorded: list[Tape]) -> None:
    """Exit status 2, one line each."""
    done = command("list", "--since", "yesterday", "--where", "a >")
    assert done.returncode == 2
    assert "--since" in done.stderr
    assert "--where" in done.stderr
    assert "Traceback" not in done.stderr


def test_show_is_a_timeline_by_parameter_name(command: Command, recorded: list[Tape], shop: Path) -> None:
    """Entry arguments, each call with when, how long and what came of it, the result; without the service's code."""
    (shop / "orders/__init__.py").write_text("raise SystemExit('the service was imported')")
    done = command("show", recorded[0].id)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert text.startswith("place_order  returned in 7 ms")
    assert "customer = 'acme'" in text
    assert "items = ('bolt',)" in text
    assert "+1 ms  input  repo.load_price  returned in 2.5 ms" in text
    assert "item = 'bolt'" in text
    assert "→ 40" in text
    assert text.index("repo.load_price") < text.index("mail.send") < text.index("{'total': 40}")


def test_show_cuts_large_values_and_says_their_size(command: Command, recorded: list[Tape]) -> None:
    """`--full` doesn't."""
    cut, full = command("show", recorded[3].id).stdout, command("show", recorded[3].id, "--full").stdout
    assert "(5,000 characters)" in cut
    assert len(cut) < 2500
    assert "x" * 5000 in full


def test_show_of_an_operation_that_raised(command: Command, recorded: list[Tape]) -> None:
    """The error stands where the result would."""
    assert "ValueError('too much')" in command("show", recorded[1].id).stdout


def test_show_takes_a_prefix_and_refuses_an_ambiguous_or_unknown_one(command: Command, recorded: list[Tape]) -> None:
    """Exit status 2 and what to do, never a traceback."""
    assert command("show", recorded[0].id[:20].lower()).returncode == 0
    for wrong, said in ((recorded[0].id[:3], "several"), ("7ZZZ", "no tape"), ("../x", "no tape")):
        done = command("show", wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_show_json_holds_everything(command: Command, recorded: list[Tape]) -> None:
    """What JSON lacks is a map with a `$` key."""
    found = json.loads(command("show", recorded[0].id, "--json").stdout)
    assert found["arguments"] == {"customer": "acme", "items": {"$tuple": ["bolt"]}}
    assert found["result"] == {"total": 40}
    assert [(call["name"], call["arguments"], call["outcome"]) for call in found["calls"]] == [
        ("repo.load_price", {"item": "bolt"}, "returned"), ("mail.send", {"to": "acme", "body": "hello"}, "returned"),
    ]
    assert json.loads(command("show", recorded[1].id, "--json").stdout)["error"]["$type"] == "builtins:ValueError"


def test_a_damaged_segment_is_named(command: Command, recorded: list[Tape], shop: Path) -> None:
    """Bytes flipped in the middle: what can be read is, what can't is told, and nothing is a traceback."""
    (segment,) = list((shop / ".autoplayback/tapes").rglob("*.tapes")) + list((shop / ".autoplayback/tapes").rglob("*.open"))
    data = bytearray(segment.read_bytes())
    for at in range(len(data) // 3, len(data) // 3 + 200):
        data[at] ^= 0xFF
    segment.write_bytes(bytes(data))
    for arguments in (["list"], *(["show", tape.id] for tape in recorded)):
        done = command(*arguments)
        assert done.returncode in (0, 2)
        assert "Traceback" not in done.stderr
    assert sum(command("show", tape.id).returncode for tape in recorded) > 0


def test_list_into_a_closed_pipe(shop: Path, recorded: list[Tape]) -> None:
    """`autoplayback list | head -0` ends quietly, with the status a killed writer has; so does a reader that went early."""
    script = f"{sys.executable} -m autoplayback.cli list --json | true; echo ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", script], cwd=shop, env=environment, text=True, capture_output=True, timeout=60)
    assert done.stdout.strip() in ("0", "141")
    assert not done.stderr


def test_list_on_a_terminal_is_a_table(shop: Path, recorded: list[Tape]) -> None:
    """A head, sizes and durations as people read them, and how many there are."""
    terminal, inside = pty.openpty()
    done = subprocess.run([sys.executable, "-m", "autoplayback.cli", "list"], cwd=shop, stdout=inside, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"})
    os.close(inside)
    text = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert done.returncode == 0
    lines = text.splitlines()
    assert "TAPE" in lines[0]
    assert "OPERATION" in lines[0]
    assert "7 ms" in lines[1]
    assert "4 tapes" in lines[-1]


def test_what_recorders_lost_is_told(command: Command, recorded: list[Tape], shop: Path) -> None:
    """A list which isn't complete says so, on stderr."""
    spool = Spool(Settings(), shop / ".autoplayback/tapes")
    for _ in range(3):
        spool.lose("the queue was full")
    spool.close(10)
    done = command("list")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 4
    assert "3 tapes were lost in recording: 3 the queue was full" in done.stderr
