"""A Flask service that looks at web pages for its callers, and keeps a log of what it told them.

Run: flask --app pages run        Nothing in here knows of autoplayback.
"""

import sqlite3
import urllib.error
import urllib.request

from flask import Flask, abort, request

app = Flask(__name__)


def fetch(url):
    """The status and the bytes at a URL: an input."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read()


def log(url, told):
    """Keeps what was told of a page: an output."""
    with sqlite3.connect("told.db") as connection:
        connection.execute("create table if not exists told (url text, told text)")
        connection.execute("insert into told values (?, ?)", (url, str(told)))


def page():
    status, content = fetch(request.args["url"])
    return content if status == 200 else abort(502, f"the page answered {status}")


@app.get("/length")
def length():
    told = len(page())
    log(request.args["url"], told)
    return {"length": told}


@app.get("/beginning")
def beginning():
    told = page().decode()[: request.args.get("characters", 20, type=int)]
    log(request.args["url"], told)
    return {"beginning": told}
