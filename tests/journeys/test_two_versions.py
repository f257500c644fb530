"""A library recorded under one release and replayed under a later one: what its change log names is what differs."""

from __future__ import annotations

import json

import pytest

from tests.journeys.environments import overlay
from tests.journeys.moves import Project

# wcwidth 0.2.9 (2023-10-30): "Bugfix zero-width characters used in Emoji ZWJ sequences, Balinese, Jamo, Devanagari, Tamil,
# Kannada and others". So: texts with such signs change their width, and no other text does.
OLD, NEW = "wcwidth==0.2.8", "wcwidth==0.2.13"

CONFIG = """
service: widths
tapes: ./tapes
operations:
  - target: wcwidth.wcwidth:wcswidth
    name: width
    metadata: {text: pwcs}
"""

UNTOUCHED = [
    "",
    "plain ascii",
    "tab\there",
    "naïve café",
    "Grüße",
    "ελληνικά",
    "русский",
    "עברית",
    "العربية",
    "日本語",
    "한국어",
    "中文字符",
    "ｆｕｌｌ",
    "→ ← ↑",
    "½ ¾",
    "\x1b[0m",
    "e\u0301",
    "😀",
    "😀😀",
    "🚀 go",
    "中a中a",
    "\u200b",
    "x" * 100,
    "─│┌┐",
    "™®©",
    "ไทย",
    "0",
    "…",
    "ﬁ",
    "a\u0300b\u0301",
]
TOUCHED = [
    "👨\u200d👩\u200d👧",
    "👩\u200d🚀",
    "🏳\ufe0f\u200d🌈",  # emoji joined by ZWJ
    "\u1b13\u1b28\u1b2e\u1b44",  # Balinese
    "\u1100\u1160",
    "\u1112\u1161\u11ab",  # conjoining Jamo
    "\u0915\u094d\u0937\u093f",
    "\u0928\u093f",  # Devanagari
    "\u0b9a\u0bbf",
    "\u0b95\u0bcd\u0bb7\u0bcc",  # Tamil
    "\u0cb0\u0ccd\u0c9d\u0cc8",  # Kannada
]
DRIVE = """
import json, sys
import wcwidth
print(json.dumps([wcwidth.wcswidth(text) for text in json.load(open("texts.json"))]))
"""


@pytest.mark.timeout(200)
def test_exactly_the_inputs_that_the_change_log_names_come_out_different(tmp_path):
    """Recorded under 0.2.8, replayed under 0.2.13, checked against running both directly."""
    texts = UNTOUCHED + TOUCHED
    project = Project(tmp_path, CONFIG, drive=DRIVE)
    project.write("texts.json", json.dumps(texts))
    old, new = overlay(OLD), overlay(NEW)

    recorded = project.python("drive.py", interpreter=old, AUTOPLAYBACK="record")
    assert recorded.status == 0, recorded.err
    direct = {
        name: json.loads(project.python("drive.py", interpreter=python).out) for name, python in (("old", old), ("new", new))
    }
    assert json.loads(recorded.out) == direct["old"]
    changed = {text for text, before, after in zip(texts, direct["old"], direct["new"], strict=True) if before != after}
    assert changed == set(TOUCHED)

    assert len(project.tapes()) == len(texts)
    unchanged = project.replay("--python", str(old))
    assert (unchanged.status, unchanged.verdicts) == (0, {"equal": len(texts)}), unchanged.failures()

    replay = project.replay("--python", str(new))
    assert replay.status == 1
    verdicts = {result["metadata"]["text"]: result for result in replay.results}
    assert {text for text, result in verdicts.items() if result["verdict"] == "different"} == set(TOUCHED)
    assert {text for text, result in verdicts.items() if result["verdict"] == "equal"} == set(UNTOUCHED)
    for text, before, after in zip(texts, direct["old"], direct["new"], strict=True):
        if before != after:
            (difference,) = verdicts[text]["differences"]
            assert (difference["at"], difference["recorded"], difference["replayed"]) == ("result", before, after)
