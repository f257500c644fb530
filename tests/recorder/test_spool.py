"""The spool: what it takes is on disk soon and whole, whatever happens to the process, the disk or the folder."""

import logging
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from autoplayback.cassettes.folder import FolderCassette
from autoplayback.config.settings import Limits, Settings
from autoplayback.errors import CassetteError
from autoplayback.recorder.spool import Spool, for_url
from autoplayback.tape import segment
from tests.cassettes.making import draft

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """Where the spool writes; nobody has made it yet."""
    return tmp_path / "tapes"


def spool(folder, *, finish=None, seal_seconds=300.0, **limits):
    settings = Settings(service="orders", tapes=str(folder), limits=Limits(**limits))
    return Spool(settings, folder, finish=finish, seal_seconds=seal_seconds)


def ids(folder):
    return {summary.tape for summary in FolderCassette(folder).summaries()}


def native_threads():
    """Threads as the kernel counts them, ours included."""
    return len(os.listdir("/proc/self/task"))


def child(code, *arguments, **options):
    """A Python process that records; `spool`, `draft` and `folder` are there for it."""
    head = f"""
        import os, sys, threading, time
        sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from tests.cassettes.making import draft
        from tests.recorder.test_spool import spool
        folder = Path(sys.argv[1])
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(code), *map(str, arguments)],
                            stdout=subprocess.PIPE, text=True, **options)


def test_what_is_offered_can_be_read_while_the_recorder_runs(folder):
    """A file still being written is listed and loaded like any other."""
    recording = spool(folder)
    drafts = [draft(customer=f"c{number}") for number in range(50)]
    assert all(recording.offer(each) for each in drafts)
    assert recording.flush()
    assert [path.suffix for path in folder.iterdir() if path.suffix != ".lost"] == [".open"]
    cassette = FolderCassette(folder)
    assert {summary.tape for summary in cassette.summaries()} == {each.id for each in drafts}
    assert cassette.load(drafts[7].id) == drafts[7].tape()
    assert recording.close()
    assert [path.suffix for path in folder.iterdir()] == [".tapes"]
    assert cassette.load(drafts[7].id) == drafts[7].tape()


def test_nothing_exists_before_the_first_tape(folder):
    """No thread, no file, no folder until something is recorded."""
    before = native_threads()
    recording = for_url(Settings(tapes=str(folder)))
    assert recording.flush(0)
    assert recording.close(0)
    assert not folder.exists()
    assert native_threads() == before
    recording.offer(draft())
    assert recording.flush()
    assert native_threads() == before + 1


def test_only_their_owner_may_read_tapes(folder):
    """The folder is made 0700, its files 0600, whatever the umask says."""
    old = os.umask(0)
    try:
        recording = spool(folder)
        recording.offer(draft())
        recording.flush()
        modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert modes == {0o600}
        recording.close()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    finally:
        os.umask(old)


def test_killed_at_any_moment_every_acknowledged_tape_is_there(folder):
    """SIGKILL in a loop: what was offered half a second before, or flushed, is on disk, and nothing reads as damaged."""
    acknowledged = set()
    for _ in range(6):
        process = child("""
            recording = spool(folder)
            pending = []
            while True:
                batch = [draft(noise=random_size) for random_size in (10, 3000, 200_000)]
                for each in batch: recording.offer(each)
                print(" ".join(f"{each.id}" for each in batch), time.monotonic(), flush=True)
                if len(pending) % 7 == 0 and recording.flush(10):
                    print("flushed", flush=True)
                pending.append(batch)
                time.sleep(0.002)
        """, folder)
        lines = []
        reader = threading.Thread(target=lambda process=process, lines=lines: lines.extend(process.stdout), daemon=True)
        reader.start()
        time.sleep(1.0 + random.random())
        process.kill()
        killed = time.monotonic()
        process.wait()
        reader.join(5)
        last = max((number for number, line in enumerate(lines) if line == "flushed\n"), default=0)
        for number, line in enumerate(lines):
            *names, moment = line.split() if line != "flushed\n" else ["0"]
            if number < last or (names and line.endswith("\n") and float(moment) < killed - 0.5):
                acknowledged.update(names)
    assert len(acknowledged) > 20
    cassette = FolderCassette(folder)
    assert acknowledged <= {summary.tape for summary in cassette.summaries()}
    assert not list(folder.glob("*.open"))
    assert not list(cassette.verify())


def test_a_torn_tail_is_cut_off_and_the_rest_sealed(folder):
    """A process that died in the middle of a write leaves a part of a tape behind: all whole ones are recovered."""
    process = child("""
        recording = spool(folder)
        for _ in range(20): recording.offer(draft())
        recording.flush()
        os.kill(os.getpid(), 9)
    """, folder)
    process.wait(30)
    (path,) = folder.glob("*.open")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[-90:-3])
    assert len(ids(folder)) == 20
    (sealed,) = folder.glob("*.tapes")
    assert segment.scan(sealed.read_bytes()).sealed
    assert not list(FolderCassette(folder).verify())


def test_a_live_recorder_is_left_alone(folder):
    """Recovery by a reader doesn't touch what is locked; the recorder goes on in the same file."""
    recording = spool(folder)
    recording.offer(draft())
    recording.flush()
    (path,) = folder.glob("*.open")
    assert len(ids(folder)) == 1
    recording.offer(draft())
    recording.flush()
    assert list(folder.glob("*.open")) == [path]
    assert len(ids(folder)) == 2


def test_four_writers_share_a_folder(folder):
    """Each has a file of its own; nothing is lost, doubled or crossed."""
    processes = [child("""
        recording = spool(folder)
        for number in range(200):
            each = draft(writer=sys.argv[2], number=number)
            recording.offer(each)
            print(each.id)
        recording.close()
    """, folder, writer) for writer in range(4)]
    written = [name for process in processes for name in process.communicate(timeout=60)[0].split()]
    assert len(written) == 800
    found = list(FolderCassette(folder).summaries())
    assert Counter(summary.metadata["writer"] for summary in found) == {str(writer): 200 for writer in range(4)}
    assert sorted(summary.tape for summary in found) == sorted(written)


def test_a_full_disk_costs_whole_tapes_and_no_bogus_one(tmp_path):
    """On a file system of 1 MB: what fits is whole, what doesn't is counted, and recording goes on when there is room again."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a file system here")
    try:
        folder = disk / "tapes"
        recording = spool(folder)
        offered = {}
        for _ in range(60):
            each = draft(noise=random.choice([50, 5_000, 40_000]))
            offered[each.id] = each.tape()
            recording.offer(each)
            if random.random() < 0.3:
                recording.flush()
        assert recording.flush()
        lost = recording.losses()
        assert set(lost) == {"disk full"}
        cassette = FolderCassette(folder)
        found = ids(folder)
        assert len(found) + lost["disk full"] == 60
        assert all(cassette.load(name) == offered[name] for name in found)
        assert FolderCassette(folder).losses() == lost, "a full disk must not hide what it cost"
        filler = max(folder.glob("*.open"), key=lambda path: path.stat().st_size)
        recording.close()
        for path in (*folder.glob("*.tapes"), filler):
            path.unlink(missing_ok=True)
        again = draft()
        recording.offer(again)
        recording.flush()
        assert again.id in ids(folder)
        recording.close()
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


def test_every_write_is_on_disk_before_its_name_says_so(tmp_path):
    """The system calls in order: write, fsync, rename to .tapes, fsync of the folder; data is synced each second meanwhile."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    trace = tmp_path / "trace"
    folder = tmp_path / "tapes"
    code = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
import time
from tests.cassettes.making import draft
from tests.recorder.test_spool import spool
recording = spool(Path({str(folder)!r}))
recording.offer(draft()); recording.flush(); time.sleep(1.5); recording.offer(draft()); recording.close()
"""
    run = subprocess.run(["strace", "-f", "-y", "-o", trace, "-e", "trace=write,fsync,fdatasync,rename,flock,openat,ftruncate",
                          sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    if run.returncode and "ptrace" in run.stderr:
        pytest.skip("may not trace here")
    assert run.returncode == 0, run.stderr
    calls = [line.split(maxsplit=1)[1] for line in trace.read_text().splitlines() if str(folder) in line and ".lost" not in line]
    shape = " ".join(
        name for call in calls for pattern, name in (
            (r"openat.*\.new.*O_CREAT\|O_EXCL\|O_APPEND", "create"), (r"flock\(.*LOCK_EX", "lock"),
            (r"rename\(.*\.new\".*\.open\"", "open"),
            (r"write\(\d+<[^>]*\.(new|open)", "write"), (r"fdatasync\(", "datasync"), (r"fsync\(\d+<[^>]*\.open>", "sync"),
            (r"rename\(.*\.open\".*\.tapes\"", "seal"), (r"fsync\(\d+<[^>]*tapes>\)", "sync-folder"))
        if re.match(pattern, call))
    expected = r"create lock write open write (write )*datasync write (datasync )?write sync seal sync-folder"
    assert re.fullmatch(expected, shape), shape


def test_memory_is_bounded_and_whole_tapes_are_dropped(folder, caplog):
    """When the thread can't keep up, new tapes are refused at once, counted by reason, and told once in the log."""
    gate = threading.Event()

    def slow(rendered):
        gate.wait(20)

    recording = spool(folder, finish=slow, queue_mb=1)
    kept = []
    with caplog.at_level(logging.WARNING, "autoplayback"):
        for _ in range(60):
            each = draft(calls=2, noise=25_000)
            started = time.perf_counter()
            if recording.offer(each):
                kept.append(each.id)
            assert time.perf_counter() - started < 1
        assert 15 < len(kept) < 25
        assert recording.pressure() > 0.9
        gate.set()
        assert recording.close(20)
        recording.offer(draft())
        recording.offer(draft())
    assert recording.losses() == {"memory full (limits.queue_mb)": 60 - len(kept)}
    assert FolderCassette(folder).losses() == recording.losses()
    assert len([record for record in caplog.records if "memory full" in record.getMessage()]) == 1
    recording.close()
    assert set(kept) <= ids(folder)


def test_the_spool_is_bounded_too(folder):
    """Over `limits.spool_mb`, all files of the folder counted, new tapes are dropped and old ones stay."""
    recording = spool(folder, spool_mb=1)
    for _ in range(30):
        recording.offer(draft(calls=2, noise=40_000))
        recording.flush()
    assert sum(path.stat().st_size for path in folder.glob("*.open")) <= 1 << 20
    assert recording.losses()["spool full (limits.spool_mb)"] + len(ids(folder)) == 30
    assert recording.pressure() > 0.8
    recording.close()


def test_a_tape_that_cannot_be_redacted_or_rendered_is_lost_alone(folder):
    """A fault in one tape costs that tape; nothing of it is written."""
    def finish(rendered):
        if b"odd" in rendered.data:
            raise RuntimeError("no")

    recording = spool(folder, finish=finish)
    for customer in ("a", "odd", "b"):
        recording.offer(draft(customer=customer))
    broken = draft(customer="c")
    broken.calls.append(None)
    recording.offer(broken)
    recording.close()
    assert {summary.metadata["customer"] for summary in FolderCassette(folder).summaries()} == {"a", "b"}
    assert recording.losses() == {"redaction failed: RuntimeError": 1, "rendering failed: AttributeError": 1}


def test_a_folder_that_cannot_be_written_is_counted(tmp_path):
    """A file stands where the folder should be: every request goes on, the loss is known."""
    (tmp_path / "tapes").write_text("not a folder")
    recording = spool(tmp_path / "tapes")
    assert recording.offer(draft())
    assert recording.flush()
    assert recording.losses() == {"tapes folder not writable": 1}
    with pytest.raises(CassetteError, match="a file, not a folder"):
        list(FolderCassette(tmp_path / "tapes").summaries())


def test_a_folder_removed_under_it_is_made_again(folder):
    """What was in the removed file is counted as lost; later tapes are kept."""
    recording = spool(folder)
    recording.offer(draft())
    recording.flush()
    shutil.rmtree(folder)
    later = draft()
    recording.offer(later)
    recording.flush()
    assert ids(folder) == {later.id}
    assert recording.losses() == {"tapes folder removed": 1}
    assert FolderCassette(folder).losses() == {"tapes folder removed": 1}
    recording.close()


def test_it_seals_by_size_and_by_age(folder):
    """A segment ends at 8 MiB, or when it is old; a tape larger than that fills one alone."""
    recording = spool(folder)
    for _ in range(5):
        recording.offer(draft(calls=2, noise=1 << 20))
    recording.offer(draft(calls=1, noise=9 << 20))
    assert recording.flush(30)
    sealed = sorted(folder.glob("*.tapes"))
    assert len(sealed) >= 1
    recording.close()
    assert len(ids(folder)) == 6
    old = spool(folder.with_name("old"), seal_seconds=0.3)
    old.offer(draft())
    until = time.monotonic() + 10
    while not list(old.folder.glob("*.tapes")) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(list(old.folder.glob("*.tapes"))) == 1


def test_a_fork_begins_anew(folder):
    """The parent's queue stays the parent's: no tape is written twice, the child's own are kept, and both go on."""
    recording = spool(folder)
    first = [draft(who="parent") for _ in range(30)]
    for each in first:
        recording.offer(each)
    children = []
    for number in range(3):
        pid = os.fork()
        if pid == 0:
            try:
                recording.offer(draft(who=f"child {number}"))
                os._exit(0 if recording.close(10) else 1)
            finally:
                os._exit(2)
        children.append(pid)
    recording.offer(draft(who="parent"))
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0]
    assert recording.close()
    found = Counter(summary.metadata["who"] for summary in FolderCassette(folder).summaries())
    assert found == {"parent": 31, "child 0": 1, "child 1": 1, "child 2": 1}


def test_forks_under_fire_leave_no_one_hanging(folder):
    """Forking again and again while threads offer: every child records and ends, no lock stays held."""
    process = child("""
        recording = spool(folder)
        stop = threading.Event()
        def fire():
            while not stop.is_set():
                recording.offer(draft(1)); time.sleep(0.0005)
        threads = [threading.Thread(target=fire, daemon=True) for _ in range(3)]
        for thread in threads: thread.start()
        for number in range(25):
            pid = os.fork()
            if pid == 0:
                recording.offer(draft(1, child=number))
                os._exit(0 if recording.flush(20) else 7)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, number
        stop.set()
        for thread in threads: thread.join()
        print("done")
    """, folder, stderr=subprocess.PIPE)
    out, errors = process.communicate(timeout=90)
    assert out == "done\n", errors
    found = Counter(summary.metadata.get("child") for summary in FolderCassette(folder).summaries())
    assert all(found[number] == 1 for number in range(25))


@pytest.mark.parametrize("ending", ["return", "sys.exit(3)", "raise ValueError", "os.kill(os.getpid(), 15)"])
def test_an_exit_in_order_seals_and_isnt_held_up(folder, ending):
    """However the main thread ends, even what was offered in the last instant, or while exiting, is kept."""
    process = child(f"""
        import atexit, signal
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        recording = spool(folder)
        atexit.register(lambda: recording.offer(draft(late=True)))
        def main():
            recording.offer(draft())
            print(time.time(), flush=True)
            {ending}
        main()
    """, folder, stderr=subprocess.DEVNULL)
    out, _ = process.communicate(timeout=30)
    assert time.time() - float(out) < 5
    assert len(ids(folder)) == 2


def test_multiprocessing_children_keep_what_they_record(folder):
    """They end without atexit: multiprocessing's own finalizers do it, by fork and by spawn."""
    script = folder.with_name("work.py")
    script.write_text(textwrap.dedent(f"""
        import multiprocessing, sys
        sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from tests.cassettes.making import draft
        from tests.recorder.test_spool import spool
        recording = spool(Path({str(folder)!r}))
        def work(number):
            recording.offer(draft(number=number))
        if __name__ == "__main__":
            for method in ("fork", "spawn"):
                context = multiprocessing.get_context(method)
                children = [context.Process(target=work, args=(f"{{method}}-{{n}}",)) for n in range(2)]
                for each in children: each.start()
                for each in children: each.join()
    """))
    subprocess.run([sys.executable, script], check=True, timeout=60)
    found = {summary.metadata["number"] for summary in FolderCassette(folder).summaries()}
    assert found == {"fork-0", "fork-1", "spawn-0", "spawn-1"}


def test_what_is_still_waiting_when_the_process_ends_is_counted(folder, tmp_path):
    """An exit isn't held up for a backlog; what it costs is told."""
    script = tmp_path / "hasty.py"
    script.write_text(textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(ROOT)!r})
        from tests.recorder.test_spool import draft, spool
        from pathlib import Path
        recording = spool(Path({str(folder)!r}), finish=lambda rendered: time.sleep(0.25))
        for number in range(30):
            recording.offer(draft(number=number))
        print(time.time(), flush=True)
    """))
    run = subprocess.run([sys.executable, script], check=True, timeout=60, capture_output=True, text=True)
    assert time.time() - float(run.stdout) < 5
    cassette = FolderCassette(folder)
    lost = cassette.losses()["not written when the process ended"]
    assert 0 <= lost + len(ids(folder)) - 30 <= 1


def test_what_sampling_left_out_is_kept_beside_the_losses(folder):
    """It isn't lost, but whoever looks at the tapes should know that they aren't all."""
    recording = spool(folder)
    recording.left_out = {"rate": 3}
    recording.offer(draft())
    recording.close(10)
    assert FolderCassette(folder).losses() == {"sampling: rate": 3}
    assert recording.losses() == {}


def test_a_process_that_records_nothing_tells_what_it_left_out(folder, tmp_path):
    """While it runs, and also where it is killed; a worker that it forks tells its own and not the parent's again."""
    script = tmp_path / "leaving.py"
    script.write_text(textwrap.dedent(f"""
        import os, time
        from pathlib import Path
        from autoplayback.config.settings import Settings
        from autoplayback.recorder.spool import Spool

        recording = Spool(Settings(tapes="x"), Path({str(folder)!r}))

        def leave(number):
            for _ in range(number):
                recording.left_out["rate"] = recording.left_out.get("rate", 0) + 1
                recording.left()

        leave(1)
        time.sleep(1)
        leave(39)
        if os.fork() == 0:
            leave(7)
        time.sleep(3)
        os.kill(os.getpid(), 9)
    """))
    run = subprocess.run([sys.executable, script], timeout=60, check=False)
    assert run.returncode == -9
    deadline = time.monotonic() + 10
    while FolderCassette(folder).losses() != {"sampling: rate": 47} and time.monotonic() < deadline:
        time.sleep(0.1)
    assert FolderCassette(folder).losses() == {"sampling: rate": 47}
    assert ids(folder) == set()


def test_counts_of_what_is_left_out_are_written_seldom(folder):
    """Sampling is for busy services: leaving an operation out costs next to nothing, and no tape waits for the counts."""
    recording = spool(folder)
    began = time.thread_time()
    for _ in range(20_000):
        recording.left_out["rate"] = recording.left_out.get("rate", 0) + 1
        recording.left()
    assert time.thread_time() - began < 1
    kept = draft()
    recording.offer(kept)
    deadline = time.monotonic() + 5
    while not (folder.is_dir() and kept.id in ids(folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert kept.id in ids(folder)
    recording.close(10)
    assert FolderCassette(folder).losses() == {"sampling: rate": 20_000}


def test_offers_from_many_threads_and_a_signal_handler_all_arrive(folder):
    """Nothing on the way is locked: a handler that interrupts an offer may offer too."""
    recording = spool(folder)
    hits = []
    previous = signal.signal(signal.SIGALRM, lambda *_: hits.append(recording.offer(draft(1))))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        threads = [threading.Thread(target=lambda: [recording.offer(draft(1)) for _ in range(150)]) for _ in range(6)]
        for thread in threads:
            thread.start()
        mine = [recording.offer(draft(1)) for _ in range(150)]
        for thread in threads:
            thread.join()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert all(mine)
    assert all(hits)
    assert recording.close(20)
    assert len(ids(folder)) == 7 * 150 + len(hits)


def test_another_kind_of_store_is_refused_at_the_start():
    """A misspelt URL is an error before the service runs, not a loss afterwards."""
    with pytest.raises(CassetteError, match="neither"):
        for_url(Settings(tapes="gs://bucket/x"))
