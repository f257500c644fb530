"""Values of the standard library that hold more than fields."""

from __future__ import annotations

import email
import email.policy
import http.client
import io
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage, Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from autoplayback.tape.values import Encoder, Trust, inspect, rebuild


class _Nothing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def missing() -> Iterator[str]:
    """The URL of a page that isn't there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Nothing)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/page"
    server.shutdown()
    thread.join()
    server.server_close()


def error_of(url: str) -> urllib.error.HTTPError:
    """What urllib raises for a page that isn't there."""
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(url, timeout=10)
    return raised.value


def test_an_http_error_comes_back_with_status_headers_and_url(missing: str) -> None:
    """Without anything trusted, and with its body still there for the service that recorded it."""
    error = error_of(missing)
    back = rebuild(Encoder().encode(error), Trust())
    assert (type(back), back.code, back.reason, back.url) == (type(error), 404, "Not Found", missing)
    assert (back.filename, str(back), back.args[:3]) == (error.filename, str(error), error.args[:3])
    assert type(back.headers) is http.client.HTTPMessage
    assert back.headers.items() == error.headers.items()
    assert b"404" in error.read()
    with pytest.raises(OSError, match="hadn't been read yet"):
        back.read()


def test_an_http_error_whose_body_was_read_has_none_left(missing: str) -> None:
    """Nor had the recorded one."""
    error = error_of(missing)
    error.read()
    assert rebuild(Encoder().encode(error), Trust()).read() == error.read() == b""


@pytest.mark.parametrize("body", [None, io.BytesIO(b"gone")], ids=["none", "bytes"])
def test_an_http_error_made_by_hand_keeps_its_body(body: Any) -> None:
    """As clients and tests make them."""
    error = urllib.error.HTTPError("http://shop/1", 410, "Gone", http.client.HTTPMessage(), body)
    back = rebuild(Encoder().encode([error, "beside"]), Trust())[0]
    assert (back.code, back.read()) == (410, b"gone" if body else back.read())


def test_an_http_error_is_compared_by_url_status_and_reason(missing: str) -> None:
    """Where the comparing looks for an exception's arguments."""
    error: Any = inspect(Encoder().encode(error_of(missing)))
    assert error.type == "urllib.error:HTTPError"
    assert error.value["args"] == [missing, 404, "Not Found"]


POLICIES = [email.policy.default, email.policy.SMTP, email.policy.SMTPUTF8.clone(max_line_length=30)]


@pytest.mark.parametrize("policy", POLICIES, ids=["default", "smtp", "own"])
def test_messages_come_back_with_what_their_headers_say(policy: Any) -> None:
    """The classes of header values are made at run time, so no name leads to them."""
    message = EmailMessage(policy)
    message["Subject"], message["To"] = "schön", "Ada <ada@example.org>"
    message.set_content("hé")
    message.add_attachment(b"x", maintype="application", subtype="pdf")
    text = message.as_bytes()
    back = rebuild(Encoder().encode(message), Trust())
    assert (type(back), back.as_bytes()) == (EmailMessage, text)
    assert back["To"].addresses == message["To"].addresses


def test_older_messages_come_back_too() -> None:
    """`email.message_from_bytes` and the MIME classes."""
    message = MIMEMultipart()
    message["Subject"] = "ü"
    message.attach(MIMEText("hé"))
    text = message.as_bytes()
    parsed = email.message_from_bytes(text)
    back = rebuild(Encoder().encode([message, parsed]), Trust())
    assert [type(one) for one in back] == [MIMEMultipart, Message]
    assert [one.as_bytes() for one in back] == [text, parsed.as_bytes()]
