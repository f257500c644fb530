"""A loopback TCP proxy that makes a network go wrong: slow, refusing, resetting, swallowing, cutting off."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time


class Proxy:
    """Forwards to a port until told otherwise; `trouble` may be changed at any time and holds for what passes from then on."""

    def __init__(self, port: int) -> None:
        self.trouble = ""
        """`slow` (a delay each way), `refuse` (nobody listens), `reset` (RST on connect), `blackhole` (accepts, says nothing),
        `cut:N` (each answer ends after N bytes)."""
        self.connections = 0
        self._port = port
        self._open: list[socket.socket] = []
        self._listener = self._listen(0)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def set(self, trouble: str) -> None:
        """Changes the trouble; connections under way are ended, so that it holds at once."""
        if self.trouble == "refuse" and trouble != "refuse":
            self._listener = self._listen(self.port)
            self.trouble = trouble
            threading.Thread(target=self._accept, daemon=True).start()
        elif trouble == "refuse":
            self.trouble = trouble
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self.trouble = trouble
        for connection in self._open[:]:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends it."""
        self.set("refuse")

    def _listen(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        return listener

    def _accept(self) -> None:
        listener = self._listener
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        trouble = self.trouble
        if trouble == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            return
        self._open.append(client)
        if trouble == "blackhole":
            with contextlib.suppress(OSError):
                while client.recv(65536):
                    pass
            return
        try:
            server = socket.create_connection(("127.0.0.1", self._port), 5)
        except OSError:
            client.close()
            return
        self._open.append(server)
        limit = int(trouble[4:]) if trouble.startswith("cut:") else None
        threading.Thread(target=self._pump, args=(client, server, trouble, None), daemon=True).start()
        self._pump(server, client, trouble, limit)

    def _pump(self, source: socket.socket, sink: socket.socket, trouble: str, limit: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if trouble == "slow":
                    time.sleep(0.15)
                if limit is not None:
                    data, limit = data[:limit], limit - len(data[:limit])
                sink.sendall(data)
                if limit == 0:
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
