"""The S3 cassette, on a real server."""

import os
import time

import boto3
import pytest

from autoplayback.cassettes import keys, open_cassette
from autoplayback.cassettes.bucket import Bucket, Occupied
from autoplayback.cassettes.places import cache_folder
from autoplayback.cassettes.query import Query
from autoplayback.cassettes.s3 import S3Cassette
from autoplayback.config.settings import S3, Settings
from autoplayback.errors import CassetteError, TapeNotFound
from tests.cassettes.contract import HOUR, CassetteContract
from tests.cassettes.making import tape
from tests.servers.proxy import Proxy
from tests.servers.seaweedfs import BUCKET

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def proxy(seaweedfs, monkeypatch):
    """A way to the server that can be made to fail."""
    made = Proxy(seaweedfs.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", made.url)
    yield made
    made.close()


class TestS3(CassetteContract):
    """Segments as objects."""

    @pytest.fixture
    def cassette(self, bucket):
        """An empty one."""
        return open_cassette(bucket, Settings(service="orders", tapes=bucket))

    def again(self, cassette):
        """Another reader of the same service."""
        return S3Cassette(cassette.url, Settings(service="orders"))

    def raw(self, cassette):
        """The objects."""
        return [client(cassette).get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in stored(cassette)]

    def spoil(self, cassette, old, new):
        """Overwrites the objects."""
        for key in stored(cassette):
            data = client(cassette).get_object(Bucket=BUCKET, Key=key)["Body"].read()
            client(cassette).put_object(Bucket=BUCKET, Key=key, Body=data.replace(old, new))


def client(cassette):
    return boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"])


def stored(cassette):
    prefix = cassette.url.removeprefix(f"s3://{BUCKET}/") + "/"
    return [found["Key"] for found in client(cassette).list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", ())]


def test_keys_have_a_day_and_an_hour(bucket):
    """v1/<service>/dt=/hh=/<host>-<ULID>.tapes: what lifecycle rules and other tools can work with."""
    cassette = S3Cassette(bucket, Settings(service="or/ders"))
    cassette.add([tape()])
    (key,) = stored(cassette)
    assert f"/v1/or%2Fders/dt={time.strftime('%Y-%m-%d', time.gmtime())}/hh=00/tool-01" in key
    assert key.endswith(".tapes")
    assert client(cassette).head_object(Bucket=BUCKET, Key=key)["ContentType"] == "application/zstd"


def test_only_the_days_asked_for_are_listed_and_read(bucket):
    """A query for today reads nothing of last month's segments: one which can't be read isn't even noticed."""
    now = time.time_ns()
    old, new = tape(started=now - 30 * 24 * HOUR), tape(started=now)
    S3Cassette(bucket, Settings(service="orders")).add([old, new])
    reader = S3Cassette(bucket)
    first = min(stored(reader))
    client(reader).put_object(Bucket=BUCKET, Key=first, Body=b"not a segment at all, and long enough to be read")
    assert [summary.tape for summary in reader.summaries(Query(since=now - HOUR))] == [new.id]
    assert reader.load(new.id) == new
    assert reader.resolve(new.id[:24]) == new.id
    assert reader.skipped == {}
    assert [summary.tape for summary in reader.summaries()] == [new.id]
    assert len(reader.skipped) == 1


def test_a_service_sees_its_own_tapes_and_is_told_of_others(bucket):
    """Two services share a prefix; a misspelt one is told which there are."""
    for service in ("orders", "billing"):
        S3Cassette(bucket, Settings(service=service)).add([tape(service=service)])
    assert [s.metadata["service"] for s in S3Cassette(bucket, Settings(service="billing")).summaries()] == ["billing"]
    assert len(list(S3Cassette(bucket).summaries())) == 2
    odd = S3Cassette(bucket, Settings(service="order"))
    assert list(odd.summaries()) == []
    assert "'billing', 'orders'" in odd.emptiness()


def test_over_tls_with_a_certificate_of_ones_own(bucket, seaweedfs):
    """endpoint and ca_bundle from the YAML; without the bundle the certificate is refused, not ignored."""
    settings = Settings(service="tls", s3=S3(endpoint=seaweedfs.https_url, ca_bundle=seaweedfs.ca_bundle))
    cassette = S3Cassette(bucket, settings)
    one = tape()
    assert cassette.add([one]) == 1
    assert S3Cassette(bucket, settings).load(one.id) == one
    with pytest.raises(CassetteError, match=r"can't reach it.*CERTIFICATE_VERIFY_FAILED"):
        list(S3Cassette(bucket, Settings(s3=S3(endpoint=seaweedfs.https_url))).summaries())


@pytest.mark.parametrize(("change", "text"), [
    ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "the secret key is wrong|access denied"),
    ({"AWS_ACCESS_KEY_ID": "nobody"}, "access key isn't known"),
    ({"AWS_PROFILE": "nobody"}, "profile"),
    ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, "can't reach it"),
])
def test_what_is_wrong_with_the_access_is_said(bucket, monkeypatch, change, text):
    """Each in the user's terms, with what to do."""
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CassetteError, match=text):
        list(S3Cassette(bucket).summaries())


def test_a_missing_bucket_and_missing_credentials_are_said(bucket, monkeypatch, tmp_path):
    """Before anything else is tried."""
    with pytest.raises(CassetteError, match="no such bucket; create it"):
        list(S3Cassette("s3://nowhere-at-all/x").summaries())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(CassetteError, match="no credentials were found; set AWS_ACCESS_KEY_ID"):
        list(S3Cassette(bucket).summaries())


def test_nothing_is_ever_overwritten(bucket):
    """Storing the same again is fine, as after an answer that got lost; other content under the same key is refused."""
    store = Bucket(bucket, S3())
    store.put("k", b"one")
    store.put("k", b"one")
    with pytest.raises(Occupied):
        store.put("k", b"other content")
    assert store.read("k") == b"one"
    store.put("k", b"replaced", replace=True)
    assert store.read("k", 2, 3) == b"pla"
    with pytest.raises(FileNotFoundError):
        store.read("nothing")


def test_a_fork_gets_a_client_of_its_own(bucket):
    """Parent and children read different objects at once over what would have been one connection: no body is another's."""
    store = Bucket(bucket, S3())
    for number in range(4):
        store.put(f"k{number}", f"body {number}".encode() * 1000)
    children = []
    for number in range(1, 4):
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if all(store.read(f"k{number}") == f"body {number}".encode() * 1000 for _ in range(40)) else 1)
            finally:
                os._exit(2)
        children.append(pid)
    assert all(store.read("k0") == b"body 0" * 1000 for _ in range(40))
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0]


def test_many_tapes_of_a_segment_cost_few_requests(bucket, proxy):
    """From the third on they come from the local copy; a copy cut off by an interruption is never used."""
    tapes = [tape(started=time.time_ns() + n) for n in range(20)]
    S3Cassette(bucket, Settings(service="orders")).add(tapes)
    reader = S3Cassette(bucket)
    found = [summary.tape for summary in reader.summaries()]
    assert [reader.load(id).id for id in found[:4]] == found[:4]
    (copy,) = [path for path in (cache_folder() / "segments").rglob("*") if path.is_file()]
    proxy.set("refuse")
    assert [reader.load(id).id for id in found] == found
    proxy.set("")
    copy.write_bytes(copy.read_bytes()[:200])
    assert reader.load(found[0]).id == found[0]
    copy.write_bytes(os.urandom(50_000))
    assert reader.load(found[1]).id == found[1]


def test_a_body_that_breaks_off_is_asked_for_again_or_an_error(bucket, proxy):
    """Fewer bytes than asked for are never taken for a tape."""
    S3Cassette(bucket, Settings(service="orders")).add([tape(3, noise=20_000)])
    reader = S3Cassette(bucket)
    (summary,) = reader.summaries()
    proxy.set("cut:5000")
    with pytest.raises(CassetteError, match="reading"):
        reader.load(summary.tape)
    proxy.set("slow")
    assert reader.load(summary.tape).id == summary.tape


def test_an_erasure_that_somebody_began_is_finished(bucket):
    """A tombstone without its rewriting hides the tape; the next deletion by anyone erases it."""
    cassette = S3Cassette(bucket, Settings(service="orders"))
    cassette.add(tapes := [tape(started=time.time_ns() + n) for n in range(3)])
    Bucket(bucket, S3()).put(f"{keys.TOMBSTONES}X.deleted", f'{{"tapes": ["{tapes[0].id}"]}}'.encode())
    reader = S3Cassette(bucket)
    assert len(list(reader.summaries(Query()))) == 2
    with pytest.raises(TapeNotFound):
        reader.load(tapes[0].id)
    reader.delete(["nobody"])
    data = [client(cassette).get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in stored(cassette)]
    assert len(data) == 1
    assert tapes[0].id.encode() not in data[0]
    assert tapes[1].id.encode() in data[0]
