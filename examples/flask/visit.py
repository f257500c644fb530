"""Puts a few pages on the web (of this machine) and asks the service about them. Usage: python visit.py PORT"""

import http.client
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

PAGES = {"/": "<!doctype html><title>Home</title>", "/long": "<p>and so on</p>\n" * 2000, "/greek": "<p>Καλημέρα, κόσμε</p>"}


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        text = PAGES.get(self.path)
        if text is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments):
        pass


def ask(port, path):
    for _ in range(200):  # the service may still be starting
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode().strip()
        except ConnectionRefusedError:
            time.sleep(0.1)
    sys.exit(f"nobody listens on port {port}")


if __name__ == "__main__":
    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    for page in [*PAGES, "/missing"]:
        url = quote(f"http://127.0.0.1:{site.server_port}{page}", safe="")
        for path in (f"/length?url={url}", f"/beginning?url={url}", f"/beginning?url={url}&characters=5"):
            print(*ask(int(sys.argv[1]), path))
