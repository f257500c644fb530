"""The HTTP front: GET /plan?depot=D plans now, POST /jobs?depot=D leaves it to the worker."""

import json
from dataclasses import asdict
from urllib.parse import parse_qs

from transit import data, planner


def app(environ, start_response):
    depot = parse_qs(environ["QUERY_STRING"]).get("depot", [""])[0]
    match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
        case "GET", "/plan":
            trips = data.load_trips(depot)
            status, body = "404 Not Found", {"error": f"no depot {depot!r}"}
            if trips:
                status, body = "200 OK", asdict(planner.plan(depot, trips))
        case "POST", "/jobs":
            data.enqueue(depot)
            status, body = "202 Accepted", {"queued": depot}
        case _:
            status, body = "404 Not Found", {"error": "GET /plan or POST /jobs"}
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]
