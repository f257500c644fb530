#!/bin/sh
# Records a morning of the transit service and replays it over two changes. Usage: sh try.sh [FOLDER]
# Everything it makes stays in FOLDER (default ./run) to play with. PORT is the server's (default 8421).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/run}
port=${PORT:-8421}

mkdir "$folder"                                   # never into something that is there
cp -r "$here/service" "$here/traffic.py" "$folder"
for change in hasty thorough; do                  # two candidates: copies of the service, each with another search.py
    cp -r "$here/service" "$folder/$change"
    cp "$here/changes/$change/search.py" "$folder/$change"
done
cd "$folder/service"
python timetable.py

echo "--- recording: a server, a worker, and the customers' requests"
AUTOPLAYBACK=record python web.py "$port" &
trap 'kill $!' EXIT
python ../traffic.py "$port"
AUTOPLAYBACK=record python worker.py --drain
trap - EXIT
kill $!
mv transit.db ../transit.db.away                  # no replay needs it

replay() {
    echo "--- replaying $1"
    shift
    autoplayback replay --jobs 2 "$@" || echo "exit status $?"
}
replay "the code that was recorded"                   --json ../same.jsonl --html ../same.html
replay "half the search: twice as fast, 0.5% dearer"  --json ../hasty.jsonl --html ../hasty.html --workdir ../hasty
replay "a search that gets further"                   --json ../thorough.jsonl --html ../thorough.html --workdir ../thorough
echo "--- open $folder/hasty.html"
