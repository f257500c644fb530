"""Real frameworks, which hold functions in registries of their own."""

from __future__ import annotations

import asyncio

import pytest

from autoplayback.interception import asgi as asgi_
from autoplayback.interception import wsgi as wsgi_
from tests.interception.conftest import asgi, operation, wsgi


def test_flask_views_and_the_application(service, intercept, notebook):
    """A view that the URL map captured; the application under its test client, with teardown inside the operation."""
    pytest.importorskip("flask")
    m = service.module("""
        import flask
        app = flask.Flask(__name__)
        def load(x): return x
        @app.route("/<x>", methods=["GET", "POST"])
        def view(x): return {"x": load(x), "body": flask.request.get_json(silent=True)}
        @app.route("/stream")
        def stream(): return flask.Response(flask.stream_with_context(load(c) for c in "abc"))
        @app.errorhandler(404)
        def missing(error): return load("missing"), 404
        @app.teardown_request
        def teardown(error): load("teardown")
    """)
    intercept(wsgi(f"{m.__name__}:app"), f"{m.__name__}:load", f"{m.__name__}:view")
    client = m.app.test_client()
    with client.post("/x", json={"a": 1}) as response:
        assert response.json == {"x": "x", "body": {"a": 1}}
    with client.get("/stream") as response:
        assert response.data == b"abc"
    with client.get("/a/b") as response:
        assert response.data == b"missing"
    got = [[(call.name.rpartition(":")[2], call.args or call.kwargs) for call in page.calls] for page in notebook.pages]
    assert got == [
        [("view", {"x": "x"}), ("load", ("teardown",))],
        # Flask itself tears the request context down twice under stream_with_context: after the view, and after the stream.
        [("load", (x,)) for x in ("teardown", "a", "b", "c", "teardown")],
        [("load", ("missing",)), ("load", ("teardown",))],
    ]
    for page in list(notebook.pages):
        assert wsgi_.drive(m.app, page.heard.args[0]) == page.heard.value


def test_fastapi_routes_and_dependencies(service, intercept, notebook):
    """Endpoints, `Depends` (functions, generators), background tasks, threads of the sync endpoints, lifespan state."""
    pytest.importorskip("fastapi")
    m = service.module("""
        import contextlib
        from fastapi import BackgroundTasks, Depends, FastAPI, Request
        from fastapi.responses import StreamingResponse
        @contextlib.asynccontextmanager
        async def lifespan(app):
            yield {"db": "db"}
        app = FastAPI(lifespan=lifespan)
        def load(x): return x
        async def aload(x): return x
        def dependency(q: str = "d"): return load(q)
        async def opened():
            yield await aload("open")
            await aload("close")
        @app.get("/async/{x}")
        async def view(
            x: int, request: Request, tasks: BackgroundTasks, dep: str = Depends(dependency), o: str = Depends(opened)
        ):
            tasks.add_task(load, "background")
            return {"x": await aload(x), "dep": dep, "o": o, "db": request.state.db}
        @app.get("/sync")
        def sync_view(): return load("sync")
        @app.get("/stream")
        async def stream():
            async def body():
                for c in "abc": yield await aload(c)
            return StreamingResponse(body())
    """)
    intercept(
        asgi(f"{m.__name__}:app"), f"{m.__name__}:load", f"{m.__name__}:aload", f"{m.__name__}:view", f"{m.__name__}:dependency"
    )
    bare = {
        "method": "GET",
        "script_name": "",
        "query": b"",
        "scheme": "http",
        "server": ["s", 80],
        "client": ["c", 1],
        "http_version": "1.1",
        "headers": {},
        "body": b"",
    }
    for path in ("/async/3", "/sync", "/stream"):
        response = asyncio.run(asgi_.drive(m.app, {**bare, "path": path}))
        assert response["status"] == 200
    got = [[call.name.rpartition(":")[2] for call in page.calls] for page in notebook.pages]
    assert got == [["dependency", "aload", "view", "load", "aload"], ["load"], ["aload"] * 3] or got[0] == [
        "dependency",
        "aload",
        "view",
        "aload",
        "load",
    ]
    assert notebook.pages[0].heard.value["body"] == b'{"x":3,"dep":"d","o":"open","db":"db"}'


def test_celery_tasks_however_called(service, intercept, notebook):
    """Direct, `.apply`, `.delay` into a worker that runs in threads, with `bind` and retries; the typing check stays."""
    pytest.importorskip("celery")
    m = service.module("""
        import celery
        app = celery.Celery("shop", broker="memory://", backend="cache+memory://")
        app.conf.task_always_eager = False
        def load(x): return x
        @app.task
        def add(a, b): return load(a) + load(b)
        @app.task(bind=True, max_retries=2, default_retry_delay=0)
        def flaky(self, n):
            load(self.request.retries)
            if self.request.retries < 1:
                raise self.retry(exc=ValueError("again"), countdown=0)
            return n
        @celery.shared_task
        def shared(n): return load(n)
    """)
    intercept(
        operation(f"{m.__name__}:add"), operation(f"{m.__name__}:shared"), operation(f"{m.__name__}:flaky"), f"{m.__name__}:load"
    )
    assert not m.app.finalized, "finding tasks doesn't make them"
    m.app.set_default()
    assert m.shared.apply((8,)).get() == 8
    assert m.add(1, 2) == 3
    assert m.add.apply((3, 4)).get() == 7
    with pytest.raises(TypeError, match="missing"):
        m.add.delay(1)
    from celery.contrib.testing.worker import start_worker

    with start_worker(m.app, perform_ping_check=False, pool="threads", concurrency=2, loglevel="ERROR"):
        assert m.add.delay(5, 6).get(timeout=20) == 11
        assert m.flaky.delay(9).get(timeout=20) == 9
    pages = {
        (page.heard.name.rpartition(":")[2], page.heard.args or tuple(page.heard.kwargs)): [c.args[0] for c in page.calls]
        for page in notebook.pages
    }
    assert pages[("shared", (8,))] == [8]
    assert pages[("add", (1, 2))] == [1, 2]
    assert pages[("add", (3, 4))] == [3, 4]
    assert pages[("add", (5, 6))] == [5, 6]
    assert [page.heard.end for page in notebook.pages if "flaky" in page.heard.name] == ["raised", "returned"]


def test_django_views(service, intercept, notebook):
    """A WSGIHandler instance, and a view in the URLconf."""
    pytest.importorskip("django")
    m = service.module("""
        import django
        from django.conf import settings
        if not settings.configured:
            settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="x", ALLOWED_HOSTS=["*"], MIDDLEWARE=[])
            django.setup()
        from django.core.wsgi import get_wsgi_application
        from django.http import HttpResponse
        from django.urls import path
        def view(request, n): return HttpResponse(f"{n} {request.body.decode()}")
        urlpatterns = [path("v/<int:n>", view)]
        application = get_wsgi_application()
    """)
    intercept(wsgi(f"{m.__name__}:application"), f"{m.__name__}:view")
    request = {
        "method": "POST",
        "script_name": "",
        "path": "/v/7",
        "query": "",
        "scheme": "http",
        "server": ["s", "80"],
        "client": ["", ""],
        "http_version": "HTTP/1.1",
        "headers": {"content-length": "4"},
        "body": b"body",
    }
    assert wsgi_.drive(m.application, request)["body"] == b"7 body"
    (page,) = notebook.pages
    assert page.heard.args[0]["body"] == b"body"
    assert [call.kwargs for call in page.calls] == [{"n": 7}]
