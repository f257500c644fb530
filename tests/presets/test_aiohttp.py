"""aiohttp's client against a real server and then without one."""

from __future__ import annotations

from tests.presets import web
from tests.presets.story import Story

SERVICE = """
import aiohttp, asyncio

async def plain(at):
    async with aiohttp.ClientSession() as s, s.get(at + "/json", params={"q": "a"}, headers={"X-Customer": "7"}) as r:
        return r.status, r.reason, (await r.json())["path"], r.headers["content-type"], str(r.url).replace(at, ""), r.ok

async def whole(at):
    async with aiohttp.ClientSession(at) as s:
        async with s.get("/gzip") as r, s.get("/big") as b:
            return len((await r.json(content_type=None))["n"]), len(await b.read())

async def chunks(at):
    async with aiohttp.ClientSession() as s, s.get(at + "/big") as r:
        return sum([len(part) async for part in r.content.iter_chunked(5000)])

async def lines(at):
    async with aiohttp.ClientSession() as s, s.get(at + "/lines") as r:
        return [line async for line in r.content]

async def part(at):
    async with aiohttp.ClientSession() as s, s.get(at + "/endless") as r:
        return [await r.content.readline() for _ in range(3)]

async def redirected(at):
    async with aiohttp.ClientSession() as s, s.get(at + "/redirect") as r:
        return [h.status for h in r.history], (await r.json())["path"]

async def cookies(at):
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as s:
        async with s.get(at + "/login"):
            pass
        async with s.get(at + "/whoami") as r:
            return await r.text(), [c.value for c in s.cookie_jar]

async def bodies(at):
    async def generated():
        yield b"one"
        yield b"two"
    found = []
    async with aiohttp.ClientSession() as s:
        for body in ({"data": b"abc"}, {"data": {"a": "1"}}, {"json": [1, None]}, {"data": generated()}):
            async with s.post(at + "/", **body) as r:
                found.append((await r.json(content_type=None))["sum"])
    return found

async def teapot(at):
    async with aiohttp.ClientSession() as s:
        try:
            async with s.get(at + "/error", raise_for_status=True):
                pass
        except aiohttp.ClientResponseError as error:
            return error.status, str(error.request_info.url).replace(at, "")

async def broken(at):
    found = []
    async with aiohttp.ClientSession() as s:
        for url in (at + "/hangup", "http://127.0.0.1:9/", at + "/cut"):
            try:
                async with s.get(url) as r:
                    await r.read()
            except aiohttp.ClientError as error:
                found.append(type(error).__name__)
    return found

async def empty(at):
    async with aiohttp.ClientSession() as s, s.get(at + "/empty") as r, s.head(at + "/big") as h:
        return await r.read(), h.headers["Content-Length"]

async def together(at):
    async with aiohttp.ClientSession() as s:
        async def one(n):
            async with s.get(at + "/json", params={"n": n}) as r:
                return (await r.json())["path"]
        return await asyncio.gather(*map(one, range(6)))
"""


def test_responses_come_back_from_the_tape(tmp_path):
    """Bodies whole, in chunks, by lines and partly; uploads, redirects, cookies, errors, requests at the same time."""
    story = Story(tmp_path, SERVICE, presets=["aiohttp"])
    with web.serving() as url:
        plain = story.plain(url)
        assert not [text for text in plain.values() if text.startswith("raised")], plain
        assert story.record(url) == plain
    story.assert_all_equal()
    results = story.changed(
        ('yield b"two"', 'yield b"TWO"'),
        ('"X-Customer": "7"', '"X-Customer": "8"'),
        ("range(3)", "range(3000)"),
        ("return [line async", "return [line[1:] async"),
    )
    verdicts = {name: result["verdict"] for name, result in results.items() if result["verdict"] != "equal"}
    assert verdicts == {**dict.fromkeys(("bodies", "plain", "part"), "diverged"), "lines": "different"}
