"""The service next door: exchange rates over HTTP. Usage: python rates.py PORT"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RATES = {"USD": 1.0, "EUR": 0.92, "GBP": 0.79, "ILS": 3.68}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        currency = self.path.rsplit("/", 1)[-1]
        body = json.dumps({"currency": currency, "rate": RATES.get(currency)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
