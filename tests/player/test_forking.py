"""What makes a host's forks cheap changes nothing that a tape's process can see."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from autoplayback.player.clock import Clock
from autoplayback.player.player import Player
from autoplayback.player.rehearsal import Rehearsal, asked, played
from autoplayback.tape import payload
from autoplayback.tape.model import End
from autoplayback.tape.values import Trust


def run(code: str) -> str:
    """What a fresh Python without any site packages but ours prints."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_hooks_of_three_modules_are_left_out_and_no_others() -> None:
    said = run(
        """
        import os, sys
        from autoplayback.player import forking
        early = {name for name in ("logging", "random", "threading") if name in sys.modules}
        register = os.register_at_fork
        forking.spare_hooks()
        assert os.register_at_fork is register
        os.register_at_fork(after_in_child=lambda: print("ours", flush=True))
        import random, threading
        before = random.getstate()
        if os.fork() == 0:
            assert "random" in early or random.getstate() == before
            assert threading.current_thread() is threading.main_thread()
            started = threading.Thread(target=print, args=("a thread",))
            started.start(); started.join()
            sys.stdout.flush()
            os._exit(0)
        os.wait()
        """
    )
    assert said.splitlines() == ["ours", "a thread"]


def test_a_child_collects_its_own_garbage_and_the_host_that_of_many_tapes() -> None:
    said = run(
        """
        import gc, os, weakref
        from autoplayback.player import forking
        forking.COLLECTED = 5
        class Knot:
            def __init__(self): self.me = self
        herd = forking.Herd()
        assert not gc.isenabled()
        left = []
        for _ in range(12):
            if herd.send() is None:
                assert gc.isenabled()
                mine = weakref.ref(Knot())
                gc.collect()
                print(mine() is None, left and left[-1]() is not None, flush=True)
                os._exit(0)
            left.append(weakref.ref(Knot()))
        print(sum(one() is not None for one in left))
        """
    )
    *children, uncollected = said.splitlines()
    assert children[0] == "True []"
    assert "True True" in children  # what the host has left behind is not the child's to collect
    assert uncollected == "3"


def test_a_host_waits_for_its_child_and_says_how_it_ended() -> None:
    said = run(
        """
        import os, signal
        from autoplayback.player import forking
        herd = forking.Herd()
        for end in (lambda: os._exit(3), lambda: os.kill(os.getpid(), signal.SIGKILL)):
            status = herd.send()
            if status is None: end()
            print(os.WIFEXITED(status) and os.WEXITSTATUS(status), os.WIFSIGNALED(status) and os.WTERMSIG(status))
        """
    )
    assert said.splitlines() == ["3 False", "False 9"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system gives no say in it")
def test_a_host_keeps_to_one_processor_and_the_service_in_its_children_to_none() -> None:
    said = run(
        """
        import os
        from autoplayback.player import forking
        everywhere = os.sched_getaffinity(0)
        herd = forking.Herd(max(everywhere))
        if herd.send() is None:
            print(os.sched_getaffinity(0) == everywhere, flush=True)
            os._exit(0)
        print(os.sched_getaffinity(0) == {max(everywhere)})
        """
    )
    assert said.splitlines() == ["True", "True"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system gives no say in it")
def test_a_processor_that_was_taken_away_is_done_without() -> None:
    said = run(
        """
        import os
        from autoplayback.player import forking
        everywhere = os.sched_getaffinity(0)
        herd = forking.Herd(1023)
        if herd.send() is None:
            os._exit(0)
        print(os.sched_getaffinity(0) == everywhere)
        """
    )
    assert said == "True"


def test_a_rehearsal_answers_all_of_its_calls_and_leaves_plain_functions_behind() -> None:
    player = Player(Trust(frozenset(), {}))
    with Rehearsal(player) as rehearsal:
        tape = payload.load(rehearsal.tape)
        session = player.arm(tape, Clock(tape.started, tape.environment))
        session.prepare(rehearsal.targets)
        assert played(10)["told"] == ["id"] * 10
        replay = session.finished(())
        assert replay is not None
        again = replay.tape()
    player.session = None
    assert again.outcome.end is End.RETURNED
    assert again.playback is not None
    assert (again.playback.answered, again.playback.unused, again.playback.misses) == (20, 0, ())
    assert played(0) == {"asked": [], "told": []}
    with pytest.raises(NotImplementedError):
        asked(1)


def test_a_process_whose_parent_ended_before_it_could_ask_ends_too() -> None:
    """Ctrl-C between a host's fork and the child's first step left a tape running for good, with nobody to end it."""
    said = run(
        """
        import os, sys, time
        from autoplayback.player import kernel
        reading, writing = os.pipe()
        parent = os.getpid()
        if (middle := os.fork()) == 0:
            middle = os.getpid()
            if os.fork() == 0:
                while os.getppid() == middle: time.sleep(0.01)
                os.close(reading)
                kernel.die_with_parent(middle)
                os.write(writing, b"still here")
            os._exit(0)
        os.waitpid(middle, 0)
        os.close(writing)
        print(os.read(reading, 100))
        """
    )
    assert said == "b''"
