"""A service that mails a report it has rendered and downloads prices: recorded in production, replayed unchanged and changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from autoplayback.tape.values import Tagged, inspect, named
from tests.player.service import Service

CODE = """
import asyncio, os, pathlib, shutil, tempfile

def mail(to, attachment, subject="report"): return "accepted"

def download(url, path):
    shutil.copy(os.environ["SHOP"] + url, path)
    return os.path.getsize(path)

async def fetch(url, *, path): return download(url, path)



def operation(customer):
    with tempfile.TemporaryDirectory() as folder:
        prices = pathlib.Path(folder, "prices.json")
        size = download("/prices.json", prices)
        text = prices.read_text()
        asyncio.run(fetch("/logo.png", path=os.fsencode(folder + "/logo.png")))
        logo = pathlib.Path(folder, "logo.png").read_bytes()
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as report:
        report.write(f"customer,prices\\n{customer},{text}\\n")
        report.flush()
        mail("a@b.example", [report.name], subject="yours")
    return size, len(logo)
"""
CONFIG = """
service: svc
operations: [{target: "svc:operation"}]
inputs: [{target: "svc:download", files: [path]}, {target: "svc:fetch", files: [path]}]
outputs: [{target: "svc:mail", alias: mail.send, files: [attachment]}]
limits: {max_file_mb: 1}
"""


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "svc").mkdir()
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "prices.json").write_text('{"apple": 3}')
    (shop / "logo.png").write_bytes(bytes(range(256)) * 1000)
    return Service(tmp_path / "svc", CODE, CONFIG)


def record(service: Service) -> None:
    service.record("import svc; svc.operation('acme')", SHOP=str(service.folder.parent / "shop"))


def replay(service: Service, *arguments: str) -> tuple[int, dict[str, Any], str]:
    report = service.folder / "results.json"
    command = (sys.executable, "-m", "autoplayback.cli", "replay", "--json", str(report), *arguments)
    done = service.run(*command)
    return done.returncode, json.loads(report.read_text().splitlines()[0]), done.stdout + done.stderr


def test_unchanged_code_finds_its_files_again(service: Service) -> None:
    """Without the shop: what was downloaded, by a function and a coroutine, lies where the new run's random folder is."""
    record(service)
    for file in (service.folder.parent / "shop").iterdir():
        file.unlink()
    status, result, said = replay(service)
    assert (status, result["verdict"]) == (0, "equal"), said
    assert result["calls"] == {**result["calls"], "recorded": 3, "answered": 3, "unanswered": 0, "unused": 0}


def test_a_changed_attachment_is_shown_by_its_lines(service: Service) -> None:
    """The place names the parameter, and the difference is the line that changed."""
    record(service)
    service.code(CODE.replace("{customer},{text}", "{customer}: {text}"))
    status, result, said = replay(service)
    assert (status, result["verdict"]) == (1, "different"), said
    difference = result["differences"][0]
    assert difference["at"].startswith("outputs.mail.send[0].args.attachment[0].content"), said
    assert "acme," in str(difference["recorded"])
    assert "acme: " in str(difference["replayed"])


def test_an_attachment_that_is_no_text_differs_by_size_and_digest(service: Service) -> None:
    """A binary report isn't poured into the terminal."""
    code = CODE.replace('"w", suffix=".csv"', '"wb", suffix=".bin"')
    code = code.replace('f"customer,prices\\n{customer},{text}\\n"', 'b"\\xff" * 100')
    service.code(code)
    record(service)
    service.code(code.replace("* 100", "* 101"))
    status, result, said = replay(service)
    assert (status, result["verdict"]) == (1, "different"), said
    at = {difference["at"]: (difference["recorded"], difference["replayed"]) for difference in result["differences"]}
    assert at["outputs.mail.send[0].args.attachment[0].size"] == (100, 101)
    assert "outputs.mail.send[0].args.attachment[0].sha256" in at


def test_a_download_over_the_limit_is_a_clear_miss(service: Service) -> None:
    """Only the digest is on the tape: the replay says so, and the code can't swallow it."""
    (service.folder.parent / "shop" / "logo.png").write_bytes(bytes(1_500_000))
    service.code(CODE.replace("asyncio.run(", "try: asyncio.run(").replace("logo = ", "except Exception: pass\n        logo = "))
    record(service)
    (call,) = [call for call in service.tapes()[0].calls if call.target.name == "svc:fetch"]
    wrote = inspect(call.outcome.value)
    assert isinstance(wrote, Tagged)
    (file,) = wrote.value["files"]["path"]
    assert (file.value["size"], file.value["content"]) == (1_500_000, None)
    assert len(file.value["sha256"]) == 64
    status, result, said = replay(service)
    assert (status, result["verdict"]) == (1, "diverged"), said
    assert "svc:fetch can't be answered: it wrote 1500000 bytes to path" in said
    assert "limits.max_file_mb" in said


def test_an_input_is_told_by_what_is_in_its_file(service: Service) -> None:
    """An upload that gives another answer for another content finds no answer once the content has changed."""
    code = """
    import tempfile
    def scan(path): return open(path).read().count("a")
    def operation(text):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            return scan(file.name)
    """
    service.code(code)
    service.config(CONFIG[: CONFIG.index("inputs")] + 'inputs: [{target: "svc:scan", files: [path]}]')
    service.record("import svc; svc.operation('banana')")
    assert replay(service)[:1] == (0,)
    service.code(code.replace("write(text)", "write(text + '!')"))
    status, result, said = replay(service)
    assert (status, result["verdict"]) == (1, "diverged"), said
    assert "banana!" in said


def test_a_file_that_only_production_had_is_told_by_its_path(service: Service, tmp_path: Path) -> None:
    """Neither the upload that was read nor the logo that was mailed need be on the replaying machine; what belongs to the code
    under test is compared, and another path is a miss."""
    upload, terms, logo = service.folder / "upload.csv", service.folder / "terms.txt", tmp_path / "logo.png"
    upload.write_text("a,b")
    terms.write_text("none")
    logo.write_bytes(b"logo")
    code = """
    def scan(path): return open(path).read().count("a")
    def mail(attachment): pass
    def operation():
        mail(["../logo.png", "terms.txt"])
        return scan("upload.csv")
    """
    service.code(code)
    inputs = 'inputs: [{target: "svc:scan", files: [path]}]'
    service.config(CONFIG[: CONFIG.index("inputs")] + inputs + '\noutputs: [{target: "svc:mail", files: [attachment]}]')
    service.record("import svc; svc.operation()")
    logo.write_bytes(b"another machine's")
    upload.unlink()
    status, result, said = replay(service)
    assert (status, result["verdict"]) == (0, "equal"), said
    terms.write_text("many")
    status, result, said = replay(service)
    assert [difference["at"] for difference in result["differences"]] == ["outputs.svc:mail[0].args.attachment[1].content"], said
    service.code(code.replace("upload.csv", "other.csv"))
    assert replay(service)[1]["verdict"] == "diverged"


def test_a_report_that_is_no_longer_rendered_never_passes(service: Service) -> None:
    """Written beside the code in production, where a replay can't write: neither its absence nor an old copy stands for it."""
    code = """
    def render(): open("report.csv", "w").write("a,b")
    def scan(path): return 1
    def mail(attachment): pass
    def operation():
        render()
        mail("report.csv")
    """
    service.code(code)
    inputs = 'inputs: [{target: "svc:scan", files: [path]}]'
    service.config(CONFIG[: CONFIG.index("inputs")] + inputs + '\noutputs: [{target: "svc:mail", files: [attachment]}]')
    service.record("import svc; svc.operation()")
    assert replay(service)[1]["verdict"] == "diverged"
    service.code(code.replace("    render()\n", ""))
    assert replay(service)[1]["verdict"] == "different"
    (service.folder / "report.csv").unlink()
    assert replay(service)[1]["verdict"] == "different"


def test_a_writer_outside_the_scratch_folder_is_refused(service: Service, tmp_path: Path) -> None:
    """A recorded content is written where the replayed code may write, and nowhere else."""
    out = tmp_path / "data" / "prices.json"
    service.code(f"""
    import pathlib
    def download(url, path):
        pathlib.Path(path).parent.mkdir(exist_ok=True)
        pathlib.Path(path).write_text("3")
    def operation(): download("u", {str(out)!r})
    """)
    service.config(CONFIG[: CONFIG.index("inputs")] + 'inputs: [{target: "svc:download", files: [path]}]')
    service.record("import svc; svc.operation()")
    out.unlink()
    status, result, said = replay(service)
    assert (status, result["verdict"]) == (1, "diverged"), said
    assert not out.exists()


def test_secrets_in_files_are_redacted(service: Service) -> None:
    """What is hidden in values is hidden in the files beside them."""
    service.config(CONFIG + "redact: ['/acme/']\n")
    (service.folder.parent / "shop" / "prices.json").write_text('{"apple": 3, "password": "hunter2222"}')
    record(service)
    tape = service.tapes()[0]
    documents = [call.arguments for call in tape.calls] + [call.outcome.value for call in tape.calls]
    assert b"apple" in b"".join(documents)
    assert not any(b"hunter2222" in document or b"acme" in document for document in documents)
    mail = next(call for call in tape.calls if call.target.name == "mail.send")
    assert "attachment" in named(mail.arguments, mail.target.parameters)
    status, result, said = replay(service)
    assert (status, result["verdict"]) == (0, "equal"), said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("files: [attachment]", "files: [atachment]", "files: there is no parameter 'atachment'"),
        ('{target: "svc:fetch", files: [path]}', '{target: "svc:fetch", returns: handle, files: [path]}', "returns: handle"),
    ],
)
def test_check_looks_for_the_parameters(service: Service, old: str, new: str, said: str) -> None:
    """A name that no target has is told before anything is recorded, with the nearest one."""
    command = (sys.executable, "-m", "autoplayback.cli", "check")
    fine = service.run(*command)
    assert fine.returncode == 0, fine.stdout + fine.stderr
    service.config(CONFIG.replace(old, new))
    done = service.run(*command)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
