"""A morning of the transit service's customers, against a server on PORT. Usage: python traffic.py PORT"""

import http.client
import json
import sys
import time

DEPOTS = {"acme": ("harbour", "north", "airport"), "metro": ("old town", "east", "university")}


def ask(port, customer, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), {"X-Customer": customer})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def wait_for(port):
    """Asks until the server answers: 20 seconds at most."""
    for _ in range(200):
        try:
            return http.client.HTTPConnection("127.0.0.1", port, timeout=1).connect()
        except OSError:
            time.sleep(0.1)
    sys.exit(f"nobody listens on port {port}")


def morning(port):
    for customer, depots in DEPOTS.items():
        for depot in depots:
            for seed in (1, 2):
                made = ask(port, customer, "POST", "/plans", {"depot": depot, "seed": seed})
                print(f"{customer}: {depot} planned for {made['cost']} euros with {made['vehicles']} vehicles")
                ask(port, customer, "POST", "/jobs", {"depot": depot, "seed": seed + 10})
        ask(port, customer, "GET", f"/plans/{made['plan']}")
    ask(port, "acme", "GET", "/jobs/1")
    ask(port, "acme", "POST", "/plans", {"depot": "moon", "seed": 1})  # 404
    ask(port, "acme", "POST", "/plans", {"depot": "north"})  # 400
    ask(port, "acme", "GET", "/nowhere")  # 404


if __name__ == "__main__":
    wait_for(int(sys.argv[1]))
    morning(int(sys.argv[1]))
