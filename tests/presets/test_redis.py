"""Redis, sync and asyncio, on a real server and then without one."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from tests.presets.story import Story
from tests.servers.proxy import Proxy

SERVICE = """
import redis, redis.asyncio, asyncio, gc, os, functools

@functools.cache
def client(url):
    return redis.Redis.from_url(url, decode_responses=True)

def clear(at):
    return client(at).flushall()

def values(at):
    r = client(at)
    r.set("a", 1, ex=60)
    r.hset("h", mapping={"x": 1, "y": "ü"})
    r.rpush("l", *range(5))
    r.sadd("s", "one")
    r.zadd("z", {"m": 1.5})
    found = r.get("a"), r.hgetall("h"), r.lrange("l", 0, -1), r.smembers("s"), r.zrange("z", 0, -1, withscores=True)
    return found, r.get("none"), r.incr("a"), r.exists("a")

def binary(at):
    with redis.Redis.from_url(at) as r:
        r.set("b", bytes(range(256)))
        return r.get("b"), r.type("b"), list(r.scan_iter("b*"))

def pipelined(at):
    r = client(at)
    with r.pipeline() as p:
        return p.set("p", 1).incr("p").get("p").execute(), len(p), p.incr("p").execute()

def watched(at):
    with client(at).pipeline() as p:
        p.watch("p")
        current = int(p.get("p"))
        p.multi()
        p.set("p", current * 2)
        return current, p.execute()

def wrong(at):
    r = client(at)
    try:
        r.lpush("a", 1)
    except redis.ResponseError as error:
        return type(error).__name__, str(error)

def wrong_pipeline(at):
    with client(at).pipeline(transaction=False) as p:
        return [type(x).__name__ for x in p.set("q", "x").incr("q").execute(raise_on_error=False)]

def blocking(at):
    r = client(at)
    r.rpush("queue", "job")
    return r.blpop("queue", timeout=1), r.blpop("queue", timeout=1)

def locked(at):
    with client(at).lock("lock", timeout=5) as lock:
        return lock.owned()

def scripted(at):
    return client(at).register_script("return redis.call('GET', KEYS[1])")(keys=["p"])

def published(at):
    r = client(at)
    with r.pubsub(ignore_subscribe_messages=True) as p:
        p.subscribe("news")
        p.get_message(timeout=1)
        r.publish("news", "hello")
        found = [p.get_message(timeout=1) for _ in range(2)]
    return [m and m["data"] for m in found]

def collected(at):
    r = redis.Redis.from_url(at)
    left = r.pipeline()
    left.itself = left
    del left
    gc.collect()
    return r.incr("collected")

async def asynchronous(at):
    async with redis.asyncio.Redis.from_url(at, decode_responses=True) as r:
        await r.set("async", 5)
        async with r.pipeline(transaction=True) as p:
            found = await p.incr("async").get("async").execute()
        return await r.get("async"), found, await asyncio.gather(*(r.incr("g") for _ in range(3))) is not None
"""


def test_commands_pipelines_and_messages_come_back(tmp_path, redis_url):
    """Values of every type, errors, WATCH, scripts, locks, blocking reads, publish and subscribe, asyncio."""
    port = urlsplit(redis_url).port
    proxy = Proxy(port)
    at = redis_url.replace(f":{port}/", f":{proxy.port}/")
    story = Story(tmp_path, SERVICE, presets=["redis"])
    plain = story.plain(at)
    assert not [text for text in plain.values() if text.startswith("raised")], plain
    assert story.record(at) == plain
    proxy.close()
    story.assert_all_equal()
    [collected] = [tape["tape"] for tape in story.project.tapes() if tape["operation"] == "collected"]
    calls = json.loads(story.project.autoplayback("show", collected, "--json").out)["calls"]
    # A pipeline that the collector ends is no call of the operation it comes upon.
    assert [call["name"] for call in calls if call["name"].startswith("redis.")] == ["redis.command"]
    results = story.changed(
        ("current * 2", "current * 3"),
        ('r.incr("a")', 'r.decr("a")'),
        ('.incr("p").get("p").execute', '.decr("p").get("p").execute'),
        ("return current,", "return -current,"),
    )
    verdicts = {name: result["verdict"] for name, result in results.items() if result["verdict"] != "equal"}
    assert verdicts == {"values": "diverged", "pipelined": "diverged", "watched": "diverged"}
    assert "arguments" in str(results["watched"]) or "commands" in str(results["watched"]["misses"])
