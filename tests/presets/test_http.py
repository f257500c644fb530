"""Request bodies too long for a tape are known by size and the digest of all of them."""

from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path

from autoplayback.equalizer.verdict import Verdict
from autoplayback.presets import _http
from tests.player.service import Service

SIZE = _http.CONTENT_LIMIT + 3_000_000


def test_a_long_file_is_known_whole(tmp_path: Path) -> None:
    """From where it stands, put back there, with no more than a few pieces of it in memory at a time."""
    path = tmp_path / "long"
    path.write_bytes(b"head" + bytes(SIZE * 3))
    with path.open("rb") as file:
        file.seek(4)
        tracemalloc.start()
        found = _http.content(file, replaying=False)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert file.tell() == 4
    assert found == {"sha256": hashlib.sha256(bytes(SIZE * 3)).hexdigest(), "size": SIZE * 3}
    assert peak < 3 * _http.CONTENT_LIMIT


CODE = f"""
import urllib.request
def operation(url):
    with open("upload", "rb") as file:
        request = urllib.request.Request(url, file, {{"Content-Type": "application/x", "Content-Length": "{SIZE}"}}, method="PUT")
        with urllib.request.urlopen(request) as response:
            return response.read().decode()
"""
SERVE = """
import http.server, threading, svc
class Handler(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        while left: left -= len(self.rfile.read(min(left, 1 << 20)))
        self.send_response(200); self.send_header("Content-Length", "4"); self.end_headers(); self.wfile.write(b"kept")
    def log_message(self, *args): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
assert svc.operation(f"http://127.0.0.1:{server.server_port}/") == "kept"
"""


def test_a_change_at_the_end_of_a_long_upload_is_seen(tmp_path: Path) -> None:
    """The last byte counts as the first does."""
    service = Service(tmp_path, CODE, 'service: svc\noperations: [{target: "svc:operation"}]\ninputs: [{preset: urllib}]\n')
    upload = tmp_path / "upload"
    upload.write_bytes(bytes(SIZE))
    service.record(SERVE)
    [result] = service.replay()
    assert result.verdict is Verdict.EQUAL, result
    upload.write_bytes(bytes(SIZE - 1) + b"x")
    [result] = service.replay()
    assert result.verdict is Verdict.DIVERGED, result
    assert "body.sha256" in result.misses[0].nearest
