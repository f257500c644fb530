#!/usr/bin/env bash
# Records the transit service (a web front and a queue worker), then replays its tapes on a change that makes it faster,
# and each plan a little worse. Usage: run.sh [FOLDER]     Needs autoplayback on the PATH; leaves its tapes in FOLDER.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$(mktemp -d)}
mkdir -p "$folder" && cd "$folder"
cp "$here/autoplayback.yaml" . && cp -r "$here/service" before && cp -r "$here/service" after
patch -s -p1 -d after < "$here/faster.patch"

export TRANSIT_DATABASE=$folder/transit.db
PYTHONPATH=before python -c 'from transit import data; data.create(depots=20, trips=60)'

export AUTOPLAYBACK_CONFIG=$folder/autoplayback.yaml
PYTHONPATH=before AUTOPLAYBACK=record python - <<'PYTHON'
import io
from transit.web import app          # served by any WSGI server; here called as one would
for number in range(20):
    for method, path in (("POST", "/jobs"), ("GET", "/plan")):
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": f"depot=depot-{number}", "SERVER_NAME": "localhost",
                   "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http"}
        list(app(environ, lambda status, headers: None))
PYTHON
PYTHONPATH=before AUTOPLAYBACK=record python -m transit.worker

echo "As it was:" && autoplayback replay --workdir before
echo && echo "Faster:" && autoplayback replay --workdir after --json results.jsonl --html report.html || status=$?
echo && echo "Look at $folder/report.html"
exit "${status:-0}"
