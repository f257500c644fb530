"""requests and urllib3 against a real server, and then without one."""

from __future__ import annotations

import pytest

from tests.journeys.environments import overlay
from tests.presets import web
from tests.presets.story import Story

SERVICE = """
import gzip, io, threading, urllib3, requests
from concurrent.futures import ThreadPoolExecutor
SESSION = requests.Session()
POOL = urllib3.PoolManager()

def plain(at):
    r = requests.get(at + "/json", params={"q": "ä b"}, headers={"X-Customer": "7"}, timeout=5)
    return r.status_code, r.reason, r.json(), r.headers["content-type"], r.url, r.encoding, r.ok

def compressed(at):
    return requests.get(at + "/gzip").json(), requests.get(at + "/gzip").headers["Content-Encoding"]

def streamed(at):
    with SESSION.get(at + "/big", stream=True) as r:
        parts = [len(part) for part in r.iter_content(10_000)]
    return parts, r.raw.tell()

def part(at):
    with SESSION.get(at + "/big", stream=True) as r:
        return r.raw.read(1000), next(r.iter_content(500))

def unread(at):
    r = SESSION.get(at + "/big", stream=True)
    r.close()
    return r.status_code, r.headers["Content-Length"]

def lines(at):
    return [line for line in SESSION.get(at + "/lines", stream=True).iter_lines()]

def chunks(at):
    return list(SESSION.get(at + "/lines", stream=True).iter_content(None))

def endless(at):
    with SESSION.get(at + "/endless", stream=True) as r:
        found = []
        for line in r.iter_lines(chunk_size=64):
            found.append(line)
            if len(found) == 5:
                return found

def redirected(at):
    r = requests.get(at + "/redirect")
    return r.url, [h.status_code for h in r.history], r.json()

def cookies(at):
    with requests.Session() as s:
        s.get(at + "/login")
        return s.cookies.get_dict(), s.get(at + "/whoami").text

def retried(at):
    s = requests.Session()
    s.mount("http://", requests.adapters.HTTPAdapter(max_retries=urllib3.Retry(5, status_forcelist=[503], backoff_factor=0)))
    r = s.get(at + "/flaky")
    return r.text, len(r.raw.retries.history)

def head(at):
    r = requests.head(at + "/big")
    return r.status_code, r.headers["Content-Length"], r.content

def empty(at):
    r = requests.get(at + "/empty")
    return r.status_code, r.content, requests.post(at + "/json").json()["length"]

def refused(at):
    try:
        requests.get("http://127.0.0.1:9/", timeout=1)
    except requests.ConnectionError as error:
        return type(error).__name__, type(error.args[0]).__name__, error.request.url

def hangup(at):
    try:
        requests.get(at + "/hangup")
    except requests.ConnectionError as error:
        return type(error.args[0]).__name__

def cut(at):
    try:
        return requests.get(at + "/cut").content
    except requests.exceptions.ChunkedEncodingError as error:
        return type(error).__name__, str(error)

def teapot(at):
    try:
        requests.get(at + "/error").raise_for_status()
    except requests.HTTPError as error:
        return str(error).replace(at, ""), error.response.json()

def bodies(at):
    def generated():
        yield b"one"
        yield b"two"
    given = b"abc", {"a": "1"}, generated(), io.BytesIO(b"file" * 1000)
    found = [requests.post(at + "/", data=body).json()["sum"] for body in given]
    found.append(requests.post(at + "/", json={"k": [1, None]}).json()["sum"])
    found.append(requests.post(at + "/", files={"f": ("name.txt", b"text")}).status_code)
    with open(__file__, "rb") as own:
        found.append(requests.put(at + "/", data=own).json()["length"] > 1000)
    return found

def together(at):
    with ThreadPoolExecutor(4) as pool:
        return [r.json()["path"] for r in pool.map(lambda n: SESSION.get(at + "/json", params={"n": n}), range(12))]

def again(at):
    return [SESSION.get(at + "/json").json()["visit"] for _ in range(3)]

def pooled(at):
    r = POOL.request("GET", at + "/redirect")
    s = POOL.request("GET", at + "/gzip", preload_content=False)
    data = b"".join(s.stream(100))
    s.release_conn()
    t = POOL.request("GET", at + "/lines", preload_content=False)
    first = t.read(7), t.read(7), t.read()
    return r.status, r.data[:10], r.geturl() == at + "/json?after=redirect", len(data), first, t.headers.get("transfer-encoding")

def posted(at):
    form = POOL.request("POST", at + "/", fields={"name": "x"})
    return form.status, POOL.request("POST", at + "/", body=iter([b"1", b"2"])).status
"""

VERSIONS = pytest.mark.parametrize("requirement", [None, "urllib3==1.26.20"], ids=["urllib3-2", "urllib3-1.26"])


@pytest.mark.slow
@VERSIONS
def test_every_way_to_read_a_response_comes_back_from_the_tape(tmp_path, requirement):
    """Bodies preloaded, streamed, cut short and unread; redirects, cookies, retries, errors, uploads, threads."""
    interpreter = {} if requirement is None else {"interpreter": overlay(requirement)}
    story = Story(tmp_path, SERVICE, presets=["requests"], **interpreter)
    with web.serving() as url:
        recorded = story.record(url)
    assert not [text for text in recorded.values() if text.startswith("raised")], recorded
    assert len(story.project.tapes()) == len(story.names)
    story.assert_all_equal()


def test_a_recorded_service_gets_what_an_unrecorded_one_gets(tmp_path):
    """Values, sizes of parts and errors are the same with and without recording."""
    story = Story(tmp_path, SERVICE, presets=["urllib3"])
    names = [
        name for name in story.names if name not in ("plain", "redirected", "again", "teapot", "refused")
    ]  # these show ports or count
    with web.serving() as url:
        web.Handler.failures = 0
        plain = story.plain(url, *names)
        web.Handler.failures = 0
        assert story.record(url, *names) == plain


def test_changed_calls_are_told(tmp_path):
    """Another body, URL, method, header or a longer read diverges; another use of the same answer is different."""
    story = Story(tmp_path, SERVICE, presets=["requests"])
    with web.serving() as url:
        story.record(url, "bodies", "part", "plain", "endless", "again", "lines", "unread", "posted")
    results = story.changed(
        ('yield b"two"', 'yield b"TWO"'),
        ("next(r.iter_content(500))", "r.raw.read(5000)"),
        ('"X-Customer": "7"', '"X-Customer": "8"'),
        ("len(found) == 5", "len(found) == 9"),
        ("for _ in range(3)", "for _ in range(4)"),
        ("for line in SESSION", "for line in [b'?'] and SESSION"),
        ('return r.status_code, r.headers["Content-Length"]', "return r.status_code, 0"),
        ('iter([b"1", b"2"])', 'iter([b"1", b"3"])'),
    )
    verdicts = {name: result["verdict"] for name, result in results.items()}
    assert verdicts == {
        **dict.fromkeys(("bodies", "part", "plain", "endless", "again", "posted"), "diverged"),
        "lines": "equal",
        "unread": "different",
    }, results
    assert "x-customer" in str(results["plain"]).lower()
