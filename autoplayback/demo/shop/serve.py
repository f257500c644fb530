"""Serves the shop of the current folder, as gunicorn or another server would. Usage: python ../serve.py PORT"""

import os
import signal
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

sys.path.insert(0, os.getcwd())


class Server(ThreadingMixIn, WSGIServer):
    pass


class Handler(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    import shop

    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with make_server("127.0.0.1", int(sys.argv[1]), shop.app, Server, Handler) as server:
        server.serve_forever()
