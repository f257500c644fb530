"""Who made which call of a replay: threads and tasks, numbered alike each time."""

from __future__ import annotations

import asyncio
import threading

from autoplayback.player.lanes import Lanes


def test_one_thread_needs_no_telling() -> None:
    """The usual tape has nothing more on it than before."""
    lanes = Lanes()
    for _ in range(3):
        lanes.note()
    assert lanes.told() == ()


def test_threads_and_tasks_are_told_apart() -> None:
    """In the order of their first calls; a task's thread is not the task."""
    lanes = Lanes()
    lanes.note()
    other = threading.Thread(target=lanes.note)
    other.start()
    other.join()

    async def twice() -> None:
        lanes.note()
        await asyncio.sleep(0)
        lanes.note()

    async def both() -> None:
        await asyncio.gather(twice(), twice())

    asyncio.run(both())
    lanes.note()
    assert lanes.told() == (0, 1, 2, 3, 2, 3, 0)
