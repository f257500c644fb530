"""S3 as we use it: a few requests on one prefix of one bucket, every answer checked, every error in the user's terms.

boto3 takes 200 ms to import and 40 MB to hold: this module is imported by the tool and by the shipper only.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from urllib3.exceptions import HTTPError

from autoplayback.config.settings import S3
from autoplayback.errors import CassetteError

T = TypeVar("T")

CONTENT_TYPE = "application/zstd"
READ_ATTEMPTS = 3

_ADVICE = {
    "NoSuchBucket": "there is no such bucket; create it, or correct `tapes:`",
    "AccessDenied": "access denied; the credentials in use need s3:ListBucket, GetObject, PutObject and DeleteObject here",
    "403": "access denied; the credentials in use need s3:ListBucket, GetObject, PutObject and DeleteObject here",
    "ExpiredToken": "the credentials have expired; renew them",
    "ExpiredTokenException": "the credentials have expired; renew them",
    "TokenRefreshRequired": "the credentials have expired; renew them",
    "InvalidAccessKeyId": "the access key isn't known there; check AWS_ACCESS_KEY_ID, the profile and s3.endpoint",
    "InvalidToken": "the session token isn't valid there; renew the credentials",
    "SignatureDoesNotMatch": "the secret key is wrong; check AWS_SECRET_ACCESS_KEY and the profile",
    "PermanentRedirect": "the bucket is in another region; set s3.region",
    "AuthorizationHeaderMalformed": "the bucket is in another region; set s3.region",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
}


@dataclass(frozen=True, slots=True)
class Item:
    """An object in a listing; its key is relative to the URL's prefix."""

    key: str
    size: int
    etag: str


class Occupied(CassetteError):
    """An object of this key is there already, with other content."""


class Bucket:
    """One prefix of a bucket. One client a process: used on both sides of a fork, a connection answers for another key."""

    def __init__(self, url: str, settings: S3) -> None:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        if not bucket:
            raise CassetteError(url, "the name of the bucket is missing: s3://bucket/prefix")
        self.url = url
        self.name = bucket
        self.prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._settings = settings
        self._lock = threading.Lock()
        self._pid = -1
        self._client: Any = None

    def put(self, key: str, body: bytes, *, replace: bool = False) -> None:
        """Stores an object. Without `replace` one that is there is never overwritten: the same content counts as stored,
        other content raises Occupied."""
        extra = {name: value for name, value in (
            ("ServerSideEncryption", self._settings.server_side_encryption), ("SSEKMSKeyId", self._settings.kms_key_id),
            ("StorageClass", self._settings.storage_class)) if value is not None}
        if not replace:
            extra["IfNoneMatch"] = "*"
        for attempt in range(3):
            try:
                self._put(key, body, extra)
            except ClientError as error:
                code = _code(error)
                if code in ("PreconditionFailed", "412"):
                    if self.size(key) != len(body):
                        raise Occupied(self.url, f"{key} is there already, with other content") from error
                    return
                if code == "ConditionalRequestConflict" and attempt < 2:  # boto3 doesn't repeat this one
                    continue
                if code in ("NotImplemented", "501") and "IfNoneMatch" in extra:  # older servers; our keys are unique anyway
                    del extra["IfNoneMatch"]
                    continue
                raise self._translated(error, f"storing {key}") from error
            except (BotoCoreError, HTTPError, OSError) as error:
                raise self._translated(error, f"storing {key}") from error
            if (stored := self.size(key)) != len(body):
                raise CassetteError(self.url, f"stored {len(body)} bytes as {key}, but {stored} are there")
            return

    def _put(self, key: str, body: bytes, extra: dict[str, str]) -> None:
        self._connected().put_object(Bucket=self.name, Key=self.prefix + key, Body=body, ContentType=CONTENT_TYPE, **extra)

    def size(self, key: str) -> int | None:
        """The bytes of an object; None where there is none."""
        try:
            answer = self._asked(lambda s3: s3.head_object(Bucket=self.name, Key=self.prefix + key), f"looking for {key}")
        except CassetteError as error:
            if isinstance(error.__cause__, ClientError) and _code(error.__cause__) in ("404", "NoSuchKey", "NotFound"):
                return None
            raise
        return int(answer["ContentLength"])

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object, or `length` of them from `start`. FileNotFoundError where there is none.

        A connection that breaks off in the middle of a body is no error to boto3, only fewer bytes: it is asked again.
        """
        extra = {} if length is None else {"Range": f"bytes={start}-{start + length - 1}"}
        failure: Exception | None = None
        for _ in range(READ_ATTEMPTS):
            try:
                answer = self._connected().get_object(Bucket=self.name, Key=self.prefix + key, **extra)
                body: bytes = answer["Body"].read()
            except ClientError as error:
                if _code(error) in ("NoSuchKey", "404"):
                    raise FileNotFoundError(key) from error
                raise self._translated(error, f"reading {key}") from error
            except (BotoCoreError, HTTPError, OSError) as error:
                failure = error
                continue
            wanted = int(answer["ContentLength"]) if length is None else length
            if len(body) == wanted:
                return body
            failure = EOFError(f"{len(body)} of {wanted} bytes came")
        assert failure is not None
        raise self._translated(failure, f"reading {key}") from failure

    def items(self, prefix: str) -> Iterator[Item]:
        """The objects whose keys begin with `prefix`, in order of key."""
        token: dict[str, str] = {}
        while True:
            answer = self._asked(lambda s3, token=token: s3.list_objects_v2(  # type: ignore[misc]
                Bucket=self.name, Prefix=self.prefix + prefix, **token), "listing")
            for found in answer.get("Contents", ()):
                yield Item(found["Key"][len(self.prefix):], found["Size"], found["ETag"].strip('"'))
            if not answer.get("IsTruncated"):
                return
            token = {"ContinuationToken": answer["NextContinuationToken"]}

    def folders(self, prefix: str) -> list[str]:
        """The names right below `prefix`, up to the next slash."""
        whole = self.prefix + prefix
        answer = self._asked(lambda s3: s3.list_objects_v2(Bucket=self.name, Prefix=whole, Delimiter="/"), "listing")
        start = len(whole)
        return [found["Prefix"][start:].rstrip("/") for found in answer.get("CommonPrefixes", ())]

    def remove(self, key: str) -> None:
        """Deletes an object, with all its versions where the bucket keeps them and we may."""
        whole = self.prefix + key
        try:
            answer = self._connected().list_object_versions(Bucket=self.name, Prefix=whole)
            versions = [found["VersionId"] for kind in ("Versions", "DeleteMarkers") for found in answer.get(kind, ())
                        if found["Key"] == whole and found.get("VersionId", "null") != "null"]
        except (ClientError, BotoCoreError, HTTPError, KeyError):
            versions = []
        for version in versions:
            self._asked(lambda s3, version=version: s3.delete_object(  # type: ignore[misc]
                Bucket=self.name, Key=whole, VersionId=version), f"deleting {key}")
        if not versions:
            self._asked(lambda s3: s3.delete_object(Bucket=self.name, Key=whole), f"deleting {key}")

    def close(self) -> None:
        """Closes the connections of this process."""
        with self._lock:
            if self._client is not None and self._pid == os.getpid():
                self._client.close()
            self._client = None

    def _asked(self, ask: Callable[[Any], T], doing: str) -> T:
        try:
            return ask(self._connected())
        except (ClientError, BotoCoreError, HTTPError, OSError) as error:
            raise self._translated(error, doing) from error

    def _connected(self) -> Any:
        if self._client is None or self._pid != os.getpid():
            with self._lock:  # using a client is safe in threads, making one isn't
                if self._client is None or self._pid != os.getpid():
                    try:
                        self._client = self._made()
                    except (BotoCoreError, ValueError) as error:
                        raise self._translated(error, "connecting") from error
                    self._pid = os.getpid()
        return self._client

    def _made(self) -> Any:
        wanted = self._settings
        endpoint = wanted.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        config: dict[str, Any] = {"connect_timeout": 2, "read_timeout": 10, "max_pool_connections": 16,
                                  "retries": {"mode": "standard", "total_max_attempts": 3}}
        if endpoint:
            config["s3"] = {"addressing_style": "path"}
            if endpoint.startswith("https:"):  # Ceph's gateway refuses the newer trailing checksums, which TLS makes up for
                config["request_checksum_calculation"] = "when_required"
        session = boto3.session.Session(profile_name=wanted.profile, region_name=wanted.region)
        return session.client("s3", endpoint_url=wanted.endpoint, verify=wanted.ca_bundle, config=Config(**config),
                              region_name=session.region_name or "us-east-1")

    def _translated(self, error: Exception, doing: str) -> CassetteError:
        if isinstance(error, ClientError):
            code = _code(error)
            text = _ADVICE.get(code) or f"{code}: {error.response.get('Error', {}).get('Message', '')}".rstrip(": ")
        elif isinstance(error, (NoCredentialsError, PartialCredentialsError)):
            text = "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile (s3.profile), or a role"
        elif isinstance(error, ProfileNotFound):
            text = f"{error}; correct s3.profile or AWS_PROFILE"
        elif isinstance(error, (ConnectionError, HTTPError, OSError)):
            text = f"can't reach it: {error}"
        else:
            text = str(error)
        return CassetteError(self.url, f"{doing}: {text}")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
