"""boto3 against a real S3 server and then without one."""

from __future__ import annotations

from tests.presets.story import Story

SERVICE = """
import boto3, io, functools, os
from botocore.config import Config
from botocore.exceptions import ClientError

@functools.cache
def client():
    return boto3.client("s3", endpoint_url=os.environ["S3"], config=Config(s3={"addressing_style": "path"}))

def place(at):
    bucket, _, prefix = at[5:].partition("/")
    return {"Bucket": bucket, "Prefix": prefix}

def key(at, name):
    where = place(at)
    return {"Bucket": where["Bucket"], "Key": f"{where['Prefix']}/{name}"}

def put(at):
    r = client().put_object(**key(at, "a.txt"), Body=b"hello" * 1000, Metadata={"owner": "me"})
    return r["ResponseMetadata"]["HTTPStatusCode"], r["ETag"]

def put_file(at):
    client().upload_fileobj(io.BytesIO(b"file" * 1000), **key(at, "b.txt"))
    return client().head_object(**key(at, "b.txt"))["ContentLength"]

def get(at):
    r = client().get_object(**key(at, "a.txt"))
    return r["Body"].read()[:10], r["Metadata"], r["LastModified"].tzinfo is not None

def part(at):
    body = client().get_object(**key(at, "a.txt"))["Body"]
    return body.read(7), body.read(3)

def chunks(at):
    return [len(part) for part in client().get_object(**key(at, "a.txt"))["Body"].iter_chunks(1500)]

def download(at):
    out = io.BytesIO()
    client().download_fileobj(**key(at, "b.txt"), Fileobj=out)
    return len(out.getvalue())

def listed(at):
    pages = client().get_paginator("list_objects_v2").paginate(**place(at))
    return [os.path.basename(o["Key"]) for page in pages for o in page.get("Contents", [])]

def missing(at):
    try:
        client().get_object(**key(at, "nothing"))
    except client().exceptions.NoSuchKey as error:
        return type(error).__name__, error.response["Error"]["Code"], isinstance(error, ClientError)

def resource(at):
    where = key(at, "a.txt")
    return boto3.resource("s3", endpoint_url=os.environ["S3"]).Object(where["Bucket"], where["Key"]).content_length
"""


def test_operations_and_streamed_bodies_come_back(tmp_path, seaweedfs, bucket, monkeypatch):
    """Uploads, downloads, streams read in part, pages, resources and a client's own exceptions."""
    monkeypatch.setenv("S3", seaweedfs.url)
    story = Story(tmp_path, SERVICE, presets=["boto3"])
    recorded = story.record(bucket)
    assert not [text for text in recorded.values() if text.startswith("raised")], recorded
    assert recorded == story.plain(bucket)
    monkeypatch.setenv("S3", "http://127.0.0.1:9")
    story.assert_all_equal()
    results = story.changed(
        ('b"hello" * 1000', 'b"hullo" * 1000'),
        ("body.read(3)", "body.read(30)"),
        ('"nothing"', '"nothing else"'),
        ("[:10]", "[:9]"),
    )
    verdicts = {name: result["verdict"] for name, result in results.items() if result["verdict"] != "equal"}
    assert verdicts == {"put": "diverged", "part": "diverged", "missing": "diverged", "get": "different"}
