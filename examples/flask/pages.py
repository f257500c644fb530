"""A Flask service that looks at other pages. Run: gunicorn pages:app"""

import urllib.request

from flask import Flask, jsonify, request

app = Flask(__name__)


def content(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def persist(url, result):
    """Stands for a database."""


@app.post("/content_length")
def content_length():
    url = request.json["url"]
    result = len(content(url))
    persist(url, result)
    return jsonify(result)


@app.post("/content_first_chars")
def content_first_chars():
    url, length = request.json["url"], request.json["length"]
    result = content(url).decode()[:length]
    persist(url, result)
    return jsonify(result)
