"""The HTTP front: plans at once, or takes a job for the worker. Usage: python web.py PORT

    POST /plans        {"depot": ..., "seed": ...}  ->  the plan's id and cost
    GET  /plans/ID                                  ->  the plan with its blocks
    POST /jobs         {"depot": ..., "seed": ...}  ->  the job's number
    GET  /jobs/NUMBER                               ->  its state, and the plan's id once it is done

The header X-Customer says who asks.
"""

import json
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import planning
import store


def app(environ, start_response):
    try:
        status, body = answer(environ)
    except (KeyError, ValueError) as error:
        status, body = "400 Bad Request", {"error": f"{type(error).__name__}: {error}"}
    except planning.Unknown as error:
        status, body = "404 Not Found", {"error": str(error)}
    data = json.dumps(body).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]


def answer(environ):
    customer = environ.get("HTTP_X_CUSTOMER", "")
    match environ["REQUEST_METHOD"], environ["PATH_INFO"].strip("/").split("/"):
        case "POST", ["plans"]:
            wanted = body_of(environ)
            return "201 Created", planning.make_plan(customer, wanted["depot"], wanted["seed"])
        case "POST", ["jobs"]:
            wanted = body_of(environ)
            return "202 Accepted", {"job": store.enqueue(customer, wanted["depot"], wanted["seed"])}
        case "GET", ["plans", plan_id]:
            found = store.saved(plan_id)
        case "GET", ["jobs", number]:
            found = store.job(int(number))
        case _:
            found = None
    return ("404 Not Found", {"error": "nothing here"}) if found is None else ("200 OK", found)


def body_of(environ):
    return json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    with make_server("127.0.0.1", int(sys.argv[1]), app, Server, Handler) as server:
        server.serve_forever()
