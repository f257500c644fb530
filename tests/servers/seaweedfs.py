"""A real S3 server for tests: SeaweedFS, over HTTP and TLS, which checks secrets, checksums and If-None-Match."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from tests.servers import processes

KEY, SECRET, BUCKET = "test-key", "test-secret", "tapes"


@dataclass(frozen=True)
class SeaweedFS:
    """A running server with an empty bucket `tapes`."""

    url: str
    https_url: str
    ca_bundle: str
    port: int

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use the server over HTTP."""
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL_S3": self.url,
                "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}

    def client(self):
        """A boto3 client of one's own, to look behind the back of what is tested."""
        return boto3.client("s3", endpoint_url=self.url, aws_access_key_id=KEY, aws_secret_access_key=SECRET,
                            region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}, read_timeout=5))


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedFS]:
    """One server for the whole run. Tests take a prefix each, so that they don't see each other."""
    import trustme

    weed = processes.binary("weed", str(Path(sys.executable).parent))
    with tempfile.TemporaryDirectory(prefix="seaweedfs-") as folder:
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        files = {name: f"{folder}/{name}.pem" for name in ("ca", "cert", "key")}
        authority.cert_pem.write_to_path(files["ca"])
        certificate.private_key_pem.write_to_path(files["key"])
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(files["cert"], append=True)
        s3, tls, *others = free_ports(7)
        names = ("master.port", "volume.port", "filer.port", "admin.port")
        command = [weed, "-logtostderr=true", "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                   *(f"-{name}={port}" for name, port in zip(names, others, strict=False)),
                   f"-s3.port={s3}", f"-s3.port.https={tls}",
                   f"-s3.cert.file={files['cert']}", f"-s3.key.file={files['key']}", "-webdav=false", "-admin.ui=false",
                   "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0", f"-bucket={BUCKET}"]
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        with open(f"{folder}/log", "wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
        try:
            server = SeaweedFS(f"http://127.0.0.1:{s3}", f"https://127.0.0.1:{tls}", files["ca"], s3)
            _wait(server, process, Path(f"{folder}/log"))
            yield server
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def bucket(seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The URL of a prefix of this test's own, with the environment set to reach it."""
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return f"s3://{BUCKET}/{request.node.name.replace('[', '-').replace(']', '')[:60]}-{time.time_ns()}"


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, whose gRPC twins (10,000 above) are free as well."""
    found: list[int] = []
    for _ in range(1000):
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1] % 10000 + 20000
        with closing(socket.socket()) as first, closing(socket.socket()) as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 10000))
            except OSError:
                continue
        if port not in found:
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free ports")


def _wait(server: SeaweedFS, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits for a PUT to work: the port is open long before."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            server.client().put_object(Bucket=BUCKET, Key="ready", Body=b"1")
            return
        except Exception:
            time.sleep(0.3)
    raise RuntimeError(f"SeaweedFS didn't come up:\n{log.read_text()[-3000:]}")
