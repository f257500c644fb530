"""httpx, sync and async, against a real server and then without one."""

from __future__ import annotations

from tests.presets import web
from tests.presets.story import Story

SERVICE = """
import asyncio, httpx, io

def plain(at):
    r = httpx.get(at + "/json", params={"q": "ä"}, headers={"X-Customer": "7"})
    return r.status_code, r.reason_phrase, r.json()["path"], r.headers["content-type"], r.http_version, r.is_success

def compressed(at):
    return len(httpx.get(at + "/gzip").json()["n"])

def streamed(at):
    with httpx.stream("GET", at + "/big") as r:
        return [len(part) for part in r.iter_bytes(50_000)], r.num_bytes_downloaded

def lines(at):
    with httpx.stream("GET", at + "/lines") as r:
        return list(r.iter_lines())

def part(at):
    with httpx.stream("GET", at + "/endless") as r:
        found = []
        for line in r.iter_lines():
            found.append(line)
            if len(found) == 3:
                return found

def redirected(at):
    with httpx.Client(follow_redirects=True) as c:
        r = c.get(at + "/redirect")
        return [h.status_code for h in r.history], r.json()["path"]

def cookies(at):
    with httpx.Client() as c:
        c.get(at + "/login")
        return dict(c.cookies), c.get(at + "/whoami").text

def bodies(at):
    def generated():
        yield b"one"
        yield b"two"
    with httpx.Client() as c:
        return [c.post(at + "/", **body).json()["sum"] for body in
                ({"content": b"abc"}, {"data": {"a": "1"}}, {"json": [1]},
                 {"content": generated()}, {"content": io.BytesIO(b"x" * 99)})], \\
               c.post(at + "/", files={"f": ("n.txt", b"text")}).status_code

def teapot(at):
    try:
        httpx.get(at + "/error").raise_for_status()
    except httpx.HTTPStatusError as error:
        return error.response.json()

def broken(at):
    found = []
    for path in ("/hangup", "/cut"):
        try:
            httpx.get(at + path)
        except httpx.HTTPError as error:
            found.append((type(error).__name__, error.request.method))
    try:
        httpx.get("http://127.0.0.1:9/")
    except httpx.ConnectError as error:
        found.append(str(error))
    return found

def empty(at):
    return httpx.get(at + "/empty").content, httpx.head(at + "/big").headers["content-length"]

async def asynchronous(at):
    async def generated():
        yield b"one"
        yield b"two"
    async with httpx.AsyncClient() as c:
        many = await asyncio.gather(*(c.get(at + "/json", params={"n": n}) for n in range(5)))
        posted = await c.post(at + "/", content=generated())
        async with c.stream("GET", at + "/lines") as r:
            lines = [line async for line in r.aiter_lines()]
        return [r.json()["path"] for r in many], posted.json()["sum"], lines
"""


def test_responses_come_back_from_the_tape(tmp_path):
    """Bodies read whole, in parts, by lines and partly; uploads, redirects, cookies and errors; both clients."""
    story = Story(tmp_path, SERVICE, presets=["httpx"])
    with web.serving() as url:
        plain = story.plain(url)
        assert not [text for text in plain.values() if text.startswith("raised")], plain
        assert story.record(url) == plain
    story.assert_all_equal()
    results = story.changed(
        ('yield b"two"', 'yield b"TWO"'),
        ('"X-Customer": "7"', '"X-Customer": "8"'),
        ("len(found) == 3", "len(found) == 3000"),
        ("return list(r.iter_lines())", "return list(r.iter_lines())[1:]"),
    )
    verdicts = {name: result["verdict"] for name, result in results.items() if result["verdict"] != "equal"}
    assert verdicts == {**dict.fromkeys(("bodies", "plain", "part", "asynchronous"), "diverged"), "lines": "different"}
