"""The shipper: from forked recorders to a real bucket, over networks that fail in every way. Nothing is lost, nobody waits."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from autoplayback.cassettes.places import spool_folder
from autoplayback.cassettes.s3 import S3Cassette
from autoplayback.config.settings import S3, Limits, Settings
from autoplayback.errors import CassetteError
from autoplayback.recorder.shipper import Shipper
from autoplayback.recorder.spool import for_url
from tests.cassettes.making import draft
from tests.servers.proxy import Proxy
from tests.servers.seaweedfs import BUCKET

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AUTOPLAYBACK_SPOOL", str(tmp_path / "spool"))


@pytest.fixture
def proxy(seaweedfs, monkeypatch):
    """A way to the server that can be made to fail."""
    made = Proxy(seaweedfs.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", made.url)
    yield made
    made.close()


def settings(url, *, ship="process", **limits):
    return Settings(service="orders", tapes=url, s3=S3(ship=ship), limits=Limits(**limits))


def record(url, count=20, **options):
    """Records so many tapes into the spool, sealed; their ids."""
    spool = for_url(settings(url, **options))
    drafts = [draft() for _ in range(count)]
    assert all(spool.offer(each) for each in drafts)
    assert spool.close()
    return {each.id for each in drafts}


def there(url):
    return {summary.tape for summary in S3Cassette(url).summaries()}


def waiting(url):
    return sorted(path.name for path in spool_folder(url).glob("*") if path.suffix in (".tapes", ".open"))


def eventually(check, seconds=40.0):
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until, "it didn't come to that"
        time.sleep(0.1)


def test_a_round_ships_everything_and_leaves_nothing(bucket):
    """Stored, found to be stored, and only then removed from the spool."""
    ids = record(bucket)
    done = Shipper(settings(bucket), spool_folder(bucket)).ship()
    assert (done.segments, done.waiting) == (1, 0)
    assert waiting(bucket) == []
    assert there(bucket) == ids
    tape = next(iter(ids))
    assert S3Cassette(bucket).load(tape).id == tape


def test_what_dead_recorders_left_is_recovered_and_shipped(bucket):
    """A killed process leaves an open file behind; whoever ships next takes it along, from several workers at once."""
    code = """
        import os, sys, time
        sys.path.insert(0, sys.argv[2])
        from autoplayback.config.settings import S3, Settings
        from autoplayback.recorder.spool import for_url
        from tests.cassettes.making import draft
        spool = for_url(Settings(service="orders", tapes=sys.argv[1], s3=S3(ship="process")))
        for _ in range(3):
            if os.fork() == 0: break
        for _ in range(10): spool.offer(draft())
        spool.flush()
        assert "boto3" not in sys.modules and "sqlite3" not in sys.modules, "the service carries what only the shipper needs"
        os.kill(os.getpid(), 9)
    """
    for _ in range(2):
        subprocess.run([sys.executable, "-c", textwrap.dedent(code), bucket, str(ROOT)], timeout=60, check=False)
    eventually(lambda: len(waiting(bucket)) == 8, 10)
    assert all(name.endswith(".open") for name in waiting(bucket))
    Shipper(settings(bucket), spool_folder(bucket)).ship()
    assert waiting(bucket) == []
    assert len(there(bucket)) == 80


@pytest.mark.parametrize("trouble", ["refuse", "reset", "blackhole", "slow"])
def test_a_bad_network_loses_nothing_and_holds_nobody_up(bucket, proxy, trouble):
    """The service's thread never waits; what couldn't be shipped waits in the spool and goes when the network is back."""
    proxy.set(trouble)
    spool = for_url(settings(bucket, ship="thread"))
    ids = set()
    slowest = 0.0
    for _ in range(5):
        for _ in range(10):
            each = draft()
            started = time.perf_counter()
            assert spool.offer(each)
            slowest = max(slowest, time.perf_counter() - started)
            ids.add(each.id)
        spool.close()
    assert slowest < 0.5
    if trouble != "slow":
        time.sleep(1)
        assert waiting(bucket)
    proxy.set("")
    eventually(lambda: not waiting(bucket), 60)
    assert there(bucket) == ids
    assert spool.losses() == {}


def test_an_answer_that_got_lost_is_no_second_copy(bucket, proxy):
    """The PUT arrived, its answer didn't: shipped again, it is found to be there."""
    ids = record(bucket)
    shipper = Shipper(settings(bucket), spool_folder(bucket))
    proxy.set("cut:1")
    with pytest.raises(CassetteError):
        shipper.ship()
    assert len(waiting(bucket)) == 1
    proxy.set("")
    assert shipper.ship().segments == 1
    assert waiting(bucket) == []
    assert there(bucket) == ids


def test_wrong_and_renewed_credentials(bucket, monkeypatch):
    """Expired or wrong secrets fail the round and lose nothing; with good ones the next round ships it all."""
    ids = record(bucket)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "expired")
    with pytest.raises(CassetteError, match=r"secret key is wrong|access denied|expired"):
        Shipper(settings(bucket), spool_folder(bucket)).ship()
    assert len(waiting(bucket)) == 1
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    Shipper(settings(bucket), spool_folder(bucket)).ship()
    assert there(bucket) == ids


def test_the_spool_is_bounded_while_nothing_can_be_shipped(bucket, proxy):
    """The bucket is away: the disk fills up to the limit, then new tapes are dropped and counted; the counts are shipped too."""
    proxy.set("refuse")
    config = settings(bucket, ship="process", spool_mb=1)
    spool = for_url(config)
    for _ in range(40):
        spool.offer(draft(2, noise=30_000))
        spool.flush()
    spool.close()
    lost = spool.losses()["spool full (limits.spool_mb)"]
    assert lost > 0
    assert sum(path.stat().st_size for path in spool_folder(bucket).glob("*.tapes")) < 1.1 * (1 << 20)
    proxy.set("")
    Shipper(config, spool_folder(bucket)).ship()
    assert len(there(bucket)) == 40 - lost
    assert S3Cassette(bucket).losses() == {"spool full (limits.spool_mb)": lost}
    assert list(spool_folder(bucket).glob("*.lost")) == []


def test_one_of_many_shippers_works_at_a_time(bucket, proxy):
    """Workers share a spool: while one is at it, the others say so and leave; nothing is shipped twice."""
    ids = record(bucket)
    proxy.set("slow")
    results = []

    def ship():
        results.append(Shipper(settings(bucket), spool_folder(bucket)).ship())

    threads = [threading.Thread(target=ship) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.set("")
    assert sum(result.segments for result in results) == 1
    assert sum(result.busy for result in results) >= 1
    assert there(bucket) == ids


def test_a_service_that_ends_with_a_black_hole_ends_in_time(bucket, proxy):
    """Exit isn't held up by a bucket that doesn't answer; the tapes are there for the next to ship."""
    proxy.set("blackhole")
    code = """
        import sys, time
        sys.path.insert(0, sys.argv[2])
        from autoplayback.config.settings import S3, Settings
        from autoplayback.recorder.spool import for_url
        from tests.cassettes.making import draft
        spool = for_url(Settings(service="orders", tapes=sys.argv[1], s3=S3(ship="thread")))
        for _ in range(10): spool.offer(draft())
        print(time.time())
    """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(code), bucket, str(ROOT)], capture_output=True, text=True,
                         timeout=60, check=True).stdout
    assert time.time() - float(out) < 5
    proxy.set("")
    Shipper(settings(bucket), spool_folder(bucket)).ship()
    assert len(there(bucket)) == 10


def test_the_command_ships_what_is_left(bucket, tmp_path):
    """`autoplayback ship --once`: done, exit 0; where the bucket can't be reached, said on stderr, exit 3, nothing lost."""
    ids = record(bucket)
    command = [sys.executable, "-m", "autoplayback.cli", "--tapes", bucket, "ship", "--once"]
    dead = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"})
    assert (dead.returncode, len(waiting(bucket))) == (3, 1), dead.stderr
    assert "can't reach it" in dead.stderr
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 segments of")
    assert there(bucket) == ids


def test_encryption_settings_reach_the_requests(bucket, monkeypatch):
    """What the YAML says of SSE, KMS and storage class is in each PUT, as the server receives it."""
    from autoplayback.cassettes.bucket import Bucket

    sent = {}
    store = Bucket(bucket, S3(server_side_encryption="aws:kms", kms_key_id="key-1", storage_class="STANDARD_IA"))
    store._connected().meta.events.register("before-send.s3.PutObject", lambda request, **_: sent.update(request.headers))
    try:
        store.put("k", b"x")
    except CassetteError:
        pass  # a server without KMS may refuse it
    assert sent["x-amz-server-side-encryption"] in ("aws:kms", b"aws:kms")
    assert sent["x-amz-server-side-encryption-aws-kms-key-id"] in ("key-1", b"key-1")
    assert sent["x-amz-storage-class"] in ("STANDARD_IA", b"STANDARD_IA")
    assert sent["If-None-Match"] in ("*", b"*")
    assert BUCKET in bucket


WORKERS = """
    import multiprocessing, os, sys
    sys.path.insert(0, sys.argv[2])
    from autoplayback.config.settings import S3, Settings
    from autoplayback.recorder.spool import for_url
    from tests.cassettes.making import draft
    spool = for_url(Settings(service="orders", tapes=sys.argv[1], s3=S3(ship="thread")))

    def work(number):
        for _ in range(20):
            spool.offer(draft(worker=number))
        spool.close()

    work(0)
    children = [multiprocessing.get_context("fork").Process(target=work, args=(number,)) for number in range(1, 4)]
    for child in children: child.start()
    work(0)
    for child in children: child.join()
"""


def test_forked_workers_ship_by_threads_of_their_own(bucket):
    """A parent that has recorded, and shipped, forks; all go on. What their last instants left is shipped by the next."""
    subprocess.run([sys.executable, "-c", textwrap.dedent(WORKERS), bucket, str(ROOT)], timeout=60, check=True)
    shipped = len(there(bucket))
    assert shipped > 0, "no thread shipped anything"
    Shipper(settings(bucket), spool_folder(bucket)).ship()
    found = [summary.metadata["worker"] for summary in S3Cassette(bucket).summaries()]
    assert sorted(found) == [0] * 40 + [1] * 20 + [2] * 20 + [3] * 20
    assert all(S3Cassette(bucket).load(id) for id in sorted(there(bucket))[:5])
    assert waiting(bucket) == []


def test_a_shipper_killed_at_any_moment_loses_and_doubles_nothing(bucket, proxy):
    """Before, in the middle of, and after the PUT: the next one finds the segment in the spool, in the bucket, or both."""
    ids = set()
    proxy.set("slow")
    for number in range(4):
        ids |= record(bucket)
        process = subprocess.Popen([sys.executable, "-m", "autoplayback.cli", "--tapes", bucket, "ship", "--once"],
                                   env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
        before = proxy.connections
        until = time.monotonic() + 20
        while proxy.connections == before and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(number * 0.15)
        process.kill()
        process.wait()
    proxy.set("")
    Shipper(settings(bucket), spool_folder(bucket)).ship()
    found = [summary.tape for summary in S3Cassette(bucket).summaries()]
    assert sorted(found) == sorted(ids)
    assert waiting(bucket) == []
