"""WSGI: the request and the response as they pass, and the same exchange again when driven."""

from __future__ import annotations

import http.client
import io
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest

from autoplayback.interception import wsgi as web
from tests.interception.conftest import wsgi

APPS = """
import io
class App:
    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        return getattr(self, path.strip("/") or "index")(environ, start_response)
    def index(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        return [b"hello"]
    def echo(self, environ, start_response):
        start_response("201 Created", [("Content-Type", "text/plain")])
        return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]
    def lines(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        stream = environ["wsgi.input"]
        return [stream.readline(), *stream]
    def stream(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        log.append("started")
        try:
            for n in range(3):
                log.append(load(n))
                yield b"chunk %d" % n
        finally:
            log.append("closed")
            load("closing")
    def late(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            raise ValueError("late")
        except ValueError:
            import sys
            start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
        return [b"sorry"]
    def write(self, environ, start_response):
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"old ")
        return [b"style"]
    def file(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 20000))
    def boom(self, environ, start_response):
        raise KeyError("boom")
    def midway(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        raise OSError("midway")
    def environment(self, environ, start_response):
        keys = ("REQUEST_METHOD SCRIPT_NAME PATH_INFO QUERY_STRING SERVER_NAME SERVER_PORT REMOTE_ADDR SERVER_PROTOCOL"
                " wsgi.url_scheme HTTP_HOST HTTP_X_ODD_NAME CONTENT_TYPE wsgi.multithread wsgi.multiprocess REMOTE_USER").split()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [repr([environ.get(key) for key in keys]).encode("latin-1")]
log = []
def load(x): return x
app = App()
other = App()
def plain(environ, start_response):
    start_response("204 No Content", [])
    return []
def make():
    return App()
def make_plain(prefix):
    def made(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [prefix]
    return made
"""


@pytest.fixture
def service_module(service, intercept):
    m = service.module(APPS)
    intercept(wsgi(f"{m.__name__}:app"), f"{m.__name__}:load")
    return m


def request(method="GET", path="/", body=b"", **more):
    return {
        "method": method,
        "script_name": "",
        "path": path,
        "query": "",
        "scheme": "http",
        "server": ["shop", "80"],
        "client": ["10.0.0.9", "4711"],
        "http_version": "HTTP/1.1",
        "body": body,
        "headers": {"host": "shop", "content-length": str(len(body))},
        **more,
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", b""),
        ("/echo", b"\x00\xff body"),
        ("/lines", b"a\nb\nc"),
        ("/stream", b""),
        ("/late", b""),
        ("/write", b""),
        ("/file", b""),
    ],
)
def test_recorded_is_what_the_server_got_and_driving_gives_it_again(service_module, notebook, path, body):
    """A round: drive a request, look at what was heard, drive what was heard, and hear the same."""
    first = web.drive(service_module.app, request("POST", path, body))
    (page,) = notebook.pages
    assert page.heard.args[0]["body"] == body
    assert page.heard.value == first
    assert page.closed
    assert web.drive(service_module.app, page.heard.args[0]) == first
    assert notebook.pages[1].heard.args == page.heard.args
    assert web.drive(service_module.other, request("POST", path, body)) == first
    assert len(notebook.pages) == 2, "another instance of the class is nobody's business"


def test_streams_pass_one_by_one(service_module, notebook):
    """Nothing is read ahead; the steps run inside the operation, the consumer's code outside; close ends it."""
    m = service_module
    head = []
    result = m.app(web.environ_of(request(path="/stream")), lambda *a: head.append(a))
    assert m.log == []
    chunks = iter(result)
    assert next(chunks) == b"chunk 0"
    assert m.log == ["started", 0]
    m.load("outside")
    assert not notebook.pages[0].closed
    assert list(chunks) == [b"chunk 1", b"chunk 2"]
    result.close()
    assert [call.args[0] for call in notebook.calls] == [0, 1, 2, "closing"]
    assert notebook.pages[0].heard.value["chunks"] == 3
    assert notebook.pages[0].closed


def test_a_client_that_leaves_early(service_module, notebook):
    """The server closes in the middle; so does the replay."""
    m = service_module
    result = m.app(web.environ_of(request(path="/stream")), lambda *a: None)
    next(iter(result))
    result.close()
    heard = notebook.pages[0].heard
    assert (heard.args[0]["taken"], heard.value["body"]) == (1, b"chunk 0")
    assert web.drive(m.app, heard.args[0]) == heard.value
    assert notebook.pages[1].heard.args == heard.args
    assert m.log.count("closed") == 2


def test_exceptions_into_the_server(service_module, notebook):
    """The very exception, at the call or in the middle of the response."""
    m = service_module
    for path, error in (("/boom", KeyError), ("/midway", OSError)):
        with pytest.raises(error) as caught:
            web.drive(m.app, request(path=path))
        assert notebook.pages[-1].heard.value is caught.value
        assert notebook.pages[-1].closed


def test_environ_comes_back_equal(service_module, notebook):
    """What applications look at is the same at replay, odd bytes included."""
    given = web.environ_of(request(path="/environment")) | {
        "SCRIPT_NAME": "/mount",
        "QUERY_STRING": "q=%20&x=ü",
        "wsgi.url_scheme": "https",
        "HTTP_X_ODD_NAME": "Ã¼",
        "CONTENT_TYPE": "a/b",
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "REMOTE_USER": "ada",
        "SERVER_PORT": "8443",
    }
    b"".join(service_module.app(given, lambda *a: None))
    heard = notebook.pages[0].heard
    assert web.drive(service_module.app, heard.args[0])["body"] == heard.value["body"]
    assert b"'https'" in heard.value["body"]
    assert b"'ada'" in heard.value["body"]


def test_secrets_of_the_process_environment_stay_out(monkeypatch, service_module, notebook):
    """CGI-like servers copy os.environ into the environ: that isn't the request."""
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    service_module.app(web.environ_of(request()) | {"DATABASE_PASSWORD": "hunter2"}, lambda *a: None)
    assert "hunter2" not in repr(notebook.pages[0].heard.args)


def test_plain_functions_and_factories(service, intercept, notebook):
    """`module:function`, `module:factory()` with instances and closures."""
    m = service.module(APPS)
    intercept(wsgi(f"{m.__name__}:plain"), wsgi(f"{m.__name__}:make()"), wsgi(f"{m.__name__}:make_plain()"))
    assert web.drive(m.plain, request())["status"] == 204
    one, two = m.make(), m.make()
    assert web.drive(one, request()) == web.drive(two, request())
    assert web.drive(m.other, request())["status"] == 200
    assert web.drive(m.make_plain(b"a"), request())["body"] == b"a"
    assert web.drive(m.make_plain(b"b"), request())["body"] == b"b"
    assert len(notebook.pages) == 5


def test_over_a_real_server_with_the_validator(service_module, notebook):
    """wsgiref serves it, and its validator watches both sides: ours keeps the protocol."""

    class Quiet(WSGIRequestHandler):
        def log_message(self, *args): ...

    def inner(environ, start_response):
        return service_module.app(environ, start_response)

    with make_server("127.0.0.1", 0, validator(inner), handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        for method, path, body in (
            ("GET", "/", b""),
            ("POST", "/echo", b"x" * 70000),
            ("GET", "/stream", b""),
            ("HEAD", "/", b""),
        ):
            connection = http.client.HTTPConnection(*server.server_address)
            connection.request(method, path, body, {"Content-Type": "text/plain"})
            response = connection.getresponse()
            content = response.read()
            connection.close()
            if method != "HEAD":
                assert content == notebook.pages[-1].heard.value["body"]
        server.shutdown()
    assert [page.heard.value["status"] for page in notebook.pages] == [200, 201, 200, 200]
    assert len(notebook.pages[1].heard.args[0]["body"]) == 70000


def test_length_is_kept_where_there_is_one():
    """Servers derive a Content-Length from a result of length 1."""

    class Sized:
        def __len__(self):
            return 1

        def __iter__(self):
            return iter([b"x"])

    exchange = type("E", (), {})()
    exchange.finished = lambda **_: None
    assert len(web._SizedChunks(Sized(), exchange)) == 1
    assert not hasattr(web.Chunks(iter([]), exchange), "__len__")


def test_an_endless_body_is_bounded(service, intercept, notebook, monkeypatch):
    """Over the limit nothing more is kept, and the response goes on."""
    monkeypatch.setattr(web, "BODY_LIMIT", 100)
    m = service.module(APPS)
    intercept(wsgi(f"{m.__name__}:app"))
    lost = []
    monkeypatch.setattr(type(notebook).operation, "__defaults__", None)
    from tests.interception.notebook import OperationScope

    monkeypatch.setattr(OperationScope, "lose", lambda self, reason: lost.append(reason), raising=False)
    response = io.BytesIO()
    for chunk in m.app(web.environ_of(request(path="/file")) | {"wsgi.file_wrapper": FileWrapper}, lambda *a: None):
        response.write(chunk)
    assert len(response.getvalue()) == 20000
    assert lost[0] == "tape too large"


@pytest.mark.parametrize("chunk", ["text", 5, None, 1.5], ids=["text", "number", "none", "object"])
def test_chunks_that_are_no_bytes_reach_the_server_as_they_are(service, intercept, notebook, chunk):
    """What a server makes of them is its own business; only the tape is given up."""
    m = service.module("def app(environ, start_response):\n    start_response('200 OK', [])\n    return answer")
    intercept(wsgi(f"{m.__name__}:app"))
    for m.answer in ([chunk], iter([chunk])):
        environ = {}
        setup_testing_defaults(environ)
        result = m.app(environ, lambda status, headers: None)
        assert list(result) == [chunk]
    assert len(notebook.pages) == 2
