"""The standard library's own ways out: urllib, smtplib, subprocess."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.presets import web
from tests.presets.story import Story

URLLIB = """
import urllib.request, urllib.error, json, http.cookiejar

def plain(at):
    with urllib.request.urlopen(at + "/json?a=1") as r:
        return r.status, r.reason, json.load(r)["path"], r.headers["Content-Type"], r.url == at + "/json?a=1"

def part(at):
    with urllib.request.urlopen(at + "/big") as r:
        return r.read(1000)[-5:], r.read(10)

def lines(at):
    with urllib.request.urlopen(at + "/lines") as r:
        return [line for line in r]

def some_lines(at):
    with urllib.request.urlopen(at + "/endless") as r:
        return [r.readline() for _ in range(3)]

def redirected(at):
    with urllib.request.urlopen(at + "/redirect") as r:
        return r.url.replace(at, ""), json.load(r)["path"]

def cookies(at):
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    opener.open(at + "/login").read()
    return opener.open(at + "/whoami").read()

def posted(at):
    request = urllib.request.Request(at + "/", data=b"abc", headers={"X-A": "b"}, method="PUT")
    return json.load(urllib.request.urlopen(request))["sum"]

def generated(at):
    request = urllib.request.Request(at + "/", data=(b"x" for _ in range(3)), headers={"Content-Length": "3"})
    return json.load(urllib.request.urlopen(request))["sum"]

def teapot(at):
    try:
        urllib.request.urlopen(at + "/error")
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)

def refused(at):
    try:
        urllib.request.urlopen("http://127.0.0.1:9/")
    except urllib.error.URLError as error:
        return type(error.reason).__name__

def empty(at):
    head = urllib.request.Request(at + "/big", method="HEAD")
    return urllib.request.urlopen(at + "/empty").read(), urllib.request.urlopen(head).headers["Content-Length"]
"""

MAIL = """
import functools, smtplib, socket
from email.message import EmailMessage
from email.utils import make_msgid

host = functools.cache(socket.getfqdn)  # as Django keeps it, for the rest of the process

def letter(at):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "me@example.org", "you@example.org", "Hello"
    message.set_content("Your order has been shipped.")
    message.add_attachment(b"invoice", maintype="application", subtype="pdf", filename="i.pdf")
    with smtplib.SMTP("127.0.0.1", int(at)) as server:
        return server.send_message(message)

def numbered(at):
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = "me@example.org", "you@example.org", make_msgid(domain=host())
    with smtplib.SMTP("127.0.0.1", int(at), local_hostname=host()) as server:
        return server.send_message(message)

def renumbered(at):
    return numbered(at)
"""

PROGRAMS = """
import subprocess

def said(at):
    done = subprocess.run(["cat", at], capture_output=True, text=True, timeout=10)
    return done.returncode, done.stdout

def output(at):
    return subprocess.check_output(["wc", "-c"], input=b"12345").strip(), subprocess.getoutput("echo hi")

def failing(at):
    try:
        subprocess.run(["false"], check=True)
    except subprocess.CalledProcessError as error:
        return error.returncode
"""


class Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs."""

    letters: list[bytes] = []

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            command = line[:4].upper()
            if command == b"DATA":
                self.wfile.write(b"354 go\r\n")
                letter = b""
                while (line := self.rfile.readline()) != b".\r\n":
                    letter += line
                self.letters.append(letter)
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")


@contextmanager
def post_office() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield str(server.server_address[1])
        server.shutdown()


def test_urllib(tmp_path):
    """Bodies whole, in part and by lines; redirects, cookies, uploads, errors."""
    story = Story(tmp_path, URLLIB, presets=["urllib"])
    with web.serving() as url:
        plain = story.plain(url)
        assert not [text for text in plain.values() if text.startswith("raised")], plain
        assert story.record(url) == plain
    story.assert_all_equal()
    results = story.changed(
        ('data=b"abc"', 'data=b"abd"'),
        ('"X-A": "b"', '"X-A": "b"'),
        ("r.read(10)", "r.read(20)"),
        ("range(3)", "range(4)"),
        ("error.code, ", "error.code + 1, "),
    )
    verdicts = {name: result["verdict"] for name, result in results.items() if result["verdict"] != "equal"}
    assert verdicts == {**dict.fromkeys(("posted", "part", "some_lines", "generated"), "diverged"), "teapot": "different"}


def test_mail_that_was_sent_is_compared(tmp_path):
    """The same letter passes and leaves nobody a copy; another one is named as different."""
    story = Story(tmp_path, MAIL, presets=[], more="outputs:\n  - preset: smtplib\n")
    with post_office() as port:
        story.record(port)
        assert len(Mail.letters) == 3
        replay = story.replay()  # whichever mail was the first to ask for the host's name
        assert replay.verdicts == {"equal": 3}, replay.failures()
        result = story.changed(("has been shipped", "was lost"))["letter"]
        assert len(Mail.letters) == 3
    assert result["verdict"] == "different", result
    assert "smtplib.sendmail" in str(result["differences"])


def test_programs(tmp_path):
    """What programs printed comes back without them; another command has no answer."""
    given = tmp_path / "given.txt"
    given.write_text("content")
    story = Story(tmp_path / "project", PROGRAMS, presets=["subprocess"])
    recorded = story.record(str(given))
    assert recorded == story.plain(str(given))
    given.unlink()
    story.assert_all_equal()
    results = story.changed(('["wc", "-c"]', '["wc", "-l"]'))
    assert {name for name, result in results.items() if result["verdict"] == "diverged"} == {"output"}
