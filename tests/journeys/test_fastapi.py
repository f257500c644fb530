"""A FastAPI service under uvicorn workers: concurrent coroutines, streams and background work, recorded and replayed."""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.journeys.moves import Project
from tests.servers import processes

CONFIG = """
service: trips
tapes: ./tapes
operations:
  - asgi: trips:app
    metadata: {path: request.path, status: result.status}
inputs:
  - target: trips:load
  - target: trips:feed
  - target: trips:table
outputs:
  - target: trips:publish
"""
SERVICE = """
import asyncio, random, time, uuid
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

app = FastAPI()

class Trip(BaseModel):
    line: int
    stops: list[str]

async def load(stop):                       # a coroutine
    await asyncio.sleep(random.random() / 200)
    return {"stop": stop, "at": time.time_ns()}

async def feed(count):                      # an async generator
    for number in range(count):
        await asyncio.sleep(0)
        yield f"item {number} {time.time_ns()};"

def table(name):                            # a plain function, called in a thread of the pool
    time.sleep(0.002)
    return [name, time.time_ns()]

async def publish(event):
    return None

async def current_user(request: Request):
    return await load(request.headers.get("x-user", "nobody"))

@app.post("/plan")
async def plan(trip: Trip, user=Depends(current_user)):
    stops = await asyncio.gather(*(load(stop) for stop in trip.stops))
    await publish({"line": trip.line, "stops": len(stops)})
    return {"id": str(uuid.uuid4()), "user": user["stop"], "lucky": random.random(), "at": [stop["at"] for stop in stops]}

@app.get("/stream/{count}")
async def stream(count: int):
    async def body():
        async for item in feed(count):
            yield item.upper()
    return StreamingResponse(body(), media_type="text/plain")

@app.get("/thread/{name}")
def thread(name: str, background: BackgroundTasks):
    background.add_task(publish, {"later": name})
    return {"table": table(name)}

@app.get("/fail/{n}")
async def fail(n: int):
    if n % 2:
        raise HTTPException(409, f"conflict {await load(str(n))}")
    raise RuntimeError(f"broken {n}")
"""


def test_requests_served_at_once_each_get_their_own_tape_and_replay_equal(tmp_path):
    """160 requests of four kinds from eight clients over two workers."""
    project = Project(tmp_path, CONFIG, trips=SERVICE)
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"

    def ask(n):
        match n % 4:
            case 0:
                trip = {"line": n, "stops": [f"s{n}-{i}" for i in range(5)]}
                answer = requests.post(f"{url}/plan", json=trip, headers={"x-user": f"user-{n}"}, timeout=20)
                assert answer.json()["user"] == f"user-{n}"
                assert len(answer.json()["at"]) == 5
            case 1:
                assert requests.get(f"{url}/stream/{n % 9}", timeout=20).text.count("ITEM") == n % 9
            case 2:
                assert requests.get(f"{url}/thread/t{n}", timeout=20).json()["table"][0] == f"t{n}"
            case 3:
                assert requests.get(f"{url}/fail/{n // 4}", timeout=20).status_code == (409 if n // 4 % 2 else 500)

    command = [sys.executable, "-m", "uvicorn", "--workers", "2", "--port", str(port), "--log-level", "warning", "trips:app"]
    with project.serving(command, port), ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(160)))

    tapes = project.tapes()
    assert len(tapes) == 160, (tmp_path / "server.log").read_text()[-3000:]
    plans = [tape for tape in tapes if tape["metadata"]["path"] == "/plan"]
    assert len(plans) == 40
    assert sum(tape["metadata"]["path"].startswith("/fail") for tape in tapes) == 40
    replay = project.replay()
    assert replay.verdicts == {"equal": 160}, replay.failures()
    # user, five stops, the publication and the uuid: what one request asked for, no other's
    assert {result["calls"]["recorded"] for result in replay.results if result["tape"] in {tape["tape"] for tape in plans}} == {8}

    # A change that drops a stop is seen in what is sent out, and in each plan alone.
    project.write("trips.py", SERVICE.replace("for stop in trip.stops)", "for stop in trip.stops[:-1])"))
    changed = project.replay()
    assert changed.status == 1
    assert changed.verdicts == {"equal": 120, "different": 40}, changed.failures()
    assert any("publish" in difference["at"] for result in changed.results for difference in result["differences"])


PID = """
import os
from fastapi import FastAPI
app = FastAPI()

def table(n):
    return {"n": n, "process": os.getpid()}

@app.get("/{n}")
def number(n: int):
    return table(n)
"""


def drive(port, numbers):
    """A request for each number from several clients; the processes that answered."""

    def ask(n):
        answer = requests.get(f"http://127.0.0.1:{port}/{n}", timeout=20).json()
        assert answer["n"] == n
        return answer["process"]

    with ThreadPoolExecutor(4) as pool:
        return set(pool.map(ask, numbers))


def numbers_on_tapes(project):
    return sorted(int(tape["metadata"]["path"].strip("/")) for tape in project.tapes())


def test_workers_killed_lose_nothing_that_ended_half_a_second_before(tmp_path):
    """SIGKILL to uvicorn's supervisor and all its workers."""
    project = Project(tmp_path, CONFIG.partition("inputs:")[0] + "inputs: [{target: 'trips:table'}]\n", trips=PID)
    port = processes.free_port()
    command = [sys.executable, "-m", "uvicorn", "--workers", "2", "--port", str(port), "--log-level", "warning", "trips:app"]
    with project.serving(command, port, stop=signal.SIGKILL) as server:
        workers = drive(port, range(60))
        time.sleep(0.5)
        for process in workers | {server.pid}:
            os.kill(process, signal.SIGKILL)
    assert numbers_on_tapes(project) == list(range(60))
    replay = project.replay()
    assert replay.verdicts == {"equal": 60}, replay.failures()


def test_workers_restarted_by_hup_leave_their_tapes(tmp_path):
    """uvicorn's supervisor starts each worker anew, one after the other."""
    project = Project(tmp_path, CONFIG.partition("inputs:")[0] + "inputs: [{target: 'trips:table'}]\n", trips=PID)
    port = processes.free_port()
    command = [sys.executable, "-m", "uvicorn", "--workers", "2", "--port", str(port), "--log-level", "warning", "trips:app"]
    with project.serving(command, port) as server:
        before = drive(port, range(30))
        server.send_signal(signal.SIGHUP)
        until = time.monotonic() + 30
        while any(map(_alive, before)) and time.monotonic() < until:
            time.sleep(0.1)
        after = drive(port, range(30, 60))
    assert not before & after
    assert numbers_on_tapes(project) == list(range(60))


def _alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
