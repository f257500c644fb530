"""A Flask application nobody here wrote, recorded under gunicorn by one variable and replayed by one command."""

from __future__ import annotations

import io
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.journeys.environments import overlay
from tests.journeys.moves import Project
from tests.servers import processes

CONFIG = """
service: httpbin
tapes: ./tapes
operations:
  - wsgi: httpbin:app
    metadata: {path: request.path, status: result.status}
"""
REQUESTS, CLIENTS = 500, 8


def _json(session, url, n):
    assert session.post(f"{url}/post", json={"n": n, "text": "ünï" * n, "list": [n, 1.5, None]}).json()["json"]["n"] == n


def _form(session, url, n):
    assert session.post(f"{url}/post", data={"a": n, "b": "x y&z"}).json()["form"] == {"a": str(n), "b": "x y&z"}


def _file(session, url, n):
    body = random.Random(n).randbytes(3000)
    assert (
        session.post(f"{url}/post", files={"upload": ("x.bin", io.BytesIO(body))}).json()["files"]["upload"].startswith("data:")
    )


def _query(session, url, n):
    assert session.get(f"{url}/get", params={"n": [n, n + 1]}).json()["args"]["n"] == [str(n), str(n + 1)]


def _bytes(session, url, n):
    assert len(session.get(f"{url}/bytes/{1 + n}").content) == 1 + n


def _gzip(session, url, n):
    assert session.get(f"{url}/gzip", params={"n": n}).json()["gzipped"] is True


def _stream(session, url, n):
    assert len(session.get(f"{url}/stream/{1 + n % 7}", stream=True).content.splitlines()) == 1 + n % 7


def _stream_bytes(session, url, n):
    assert len(session.get(f"{url}/stream-bytes/{100 + n}", params={"chunk_size": 33}).content) == 100 + n


def _redirect(session, url, n):
    assert session.get(f"{url}/redirect/1", allow_redirects=False).status_code == 302


def _error(session, url, n):
    assert session.get(f"{url}/status/{(404, 418, 500, 503)[n % 4]}").status_code >= 400


def _uuid(session, url, n):
    assert len(session.get(f"{url}/uuid").json()["uuid"]) == 36


def _delay(session, url, n):
    assert session.get(f"{url}/delay/0.{n % 3}").status_code == 200


def _put(session, url, n):
    assert session.put(f"{url}/anything/{n}", data=b"\x00\xff" * n).json()["method"] == "PUT"


def _cookies(session, url, n):
    assert session.get(f"{url}/cookies", cookies={"number": f"value-{n}"}).json()["cookies"]["number"] == f"value-{n}"


def _auth(session, url, n):
    assert session.get(f"{url}/basic-auth/ann/open-sesame-{n}", auth=("ann", f"open-sesame-{n}")).json()["authenticated"] is True


KINDS = (
    _json,
    _form,
    _file,
    _query,
    _bytes,
    _gzip,
    _stream,
    _stream_bytes,
    _redirect,
    _error,
    _uuid,
    _delay,
    _put,
    _cookies,
    _auth,
)


@pytest.fixture(scope="module")
def httpbin():
    """Released after Werkzeug 3; installed without its pin of an old greenlet, which it doesn't use here."""
    return overlay("httpbin==0.10.4", "flasgger==0.9.7.1", "brotlicffi>=1.1", "decorator>=5")


@pytest.mark.timeout(400)
def test_500_requests_over_two_workers_become_500_tapes_which_replay_equal(tmp_path, httpbin):
    """JSON, forms, files, bytes, gzip, streams, redirects, errors, random and slow answers, from eight clients at once."""
    project = Project(tmp_path, CONFIG)
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"

    def client(number):
        with requests.Session() as session:
            for n in range(number, REQUESTS, CLIENTS):
                KINDS[n % len(KINDS)](session, url, n)

    command = [
        str(httpbin),
        "-m",
        "gunicorn",
        "--workers",
        "2",
        "--threads",
        "4",
        "--bind",
        f"127.0.0.1:{port}",
        "--no-control-socket",
        "httpbin:app",
    ]
    with project.serving(command, port), ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))

    tapes = project.tapes()
    assert len(tapes) == REQUESTS, (tmp_path / "server.log").read_text()[-3000:]
    assert len({tape["tape"] for tape in tapes}) == REQUESTS
    assert sum(tape["metadata"]["status"] >= 400 for tape in tapes) == sum(
        KINDS[n % len(KINDS)] is _error for n in range(REQUESTS)
    )

    replay = project.replay("--python", str(httpbin))
    assert replay.verdicts == {"equal": REQUESTS}, replay.failures()
    assert replay.status == 0
    assert replay.summary["summary"]["equal"] == REQUESTS
    assert all(result["calls"]["unanswered"] == 0 for result in replay.results)

    # No secret of the clients is on disk, and the tapes replayed equal all the same.
    stored = b"".join(path.read_bytes() for path in (tmp_path / "tapes").iterdir())
    assert b"open-sesame" not in stored
    shown = project.autoplayback("show", next(t["tape"] for t in tapes if "basic-auth" in t["metadata"]["path"]))
    assert "open-sesame" not in shown.out
    assert "redacted-" in shown.out
