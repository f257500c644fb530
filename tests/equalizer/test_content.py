"""Structure inside text: what doesn't count, and that everything else does."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from autoplayback.equalizer import Verdict, compare
from tests.equalizer.tapes import replay, tape

PAGE = (
    "<!doctype html><html><head><title>Shop</title></head><body>"
    "<p class='a' id=\"b\">Two <b>bold</b> words</p><pre>a\n  b</pre></body></html>"
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1, "b": [1, 2]}', '{"b":[1,2],"a":1}'),
        (b'{"a": 1}', b'{ "a" : 1 }'),
        ("<r><a x='1' y='2'/>\n</r>", '<?xml version="1.0"?><r>\n  <a y="2" x="1"></a></r>'),
        (
            PAGE,
            PAGE.replace("class='a' id=\"b\"", 'id="b"   class="a"')
            .replace("</p><pre>", "</p>\n\n  <pre>")
            .replace("Two <b>", "Two\n   <b>"),
        ),
        (gzip.compress(b'{"a": 1}', mtime=1), gzip.compress(b'{"a":  1}', mtime=2)),
    ],
)
def test_formatting_does_not_count(one: Any, other: Any) -> None:
    """The same structure written in another way is equal."""
    assert compare(tape(one), replay(other)).verdict is Verdict.EQUAL


@pytest.mark.parametrize(
    ("one", "other", "at"),
    [
        ('{"a": 1}', '{"a": 1.0}', "result.a"),
        ('{"a": [1, 2]}', '{"a": [1, 3]}', "result.a[1]"),
        ("a\nb\nc", "a\nB\nc", "result[1]"),
        ("a", "b", "result"),
        ("<r><a>x</a></r>", "<r><a>y</a></r>", "result.children[0].children[0]"),
        ("<r a='1'/>", "<r a='2'/>", "result.attributes.a"),
        (PAGE, PAGE.replace("bold", "thin"), "result.children[1].children[1].children[0].children[1].children[0]"),
        (PAGE, PAGE.replace("a\n  b", "a\n b"), "result.children[1].children[1].children[1].children[0][1]"),
        ('{"a": 1, "a": 2}', '{"a": 3, "a": 2}', "result"),
        (gzip.compress(b'{"a": 1}', mtime=0), gzip.compress(b'{"a": 2}', mtime=0), "result.a"),
    ],
)
def test_content_counts(one: Any, other: Any, at: str) -> None:
    """And is named by its place in the structure."""
    assert [difference.at for difference in compare(tape(one), replay(other)).differences] == [at]


@pytest.mark.parametrize(
    "hostile",
    [
        '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><r>&b;</r>',
        "[" * 100_000,
        "<a>" * 50_000,
        "<html>" + "<div>" * 50_000,
        gzip.compress(b"x" * 10, mtime=0)[:-4],
        b"\x1f\x8b\x08" + b"\0" * 40,
        "\ud800 {",
        '{"a": ' * 5000,
    ],
)
def test_what_is_not_well_formed_is_compared_as_it_stands(hostile: Any) -> None:
    """Without hanging, and without finding it equal to something else."""
    other = hostile + (b" " if isinstance(hostile, bytes) else "x")
    assert compare(tape(hostile), replay(other)).verdict is Verdict.DIFFERENT
    assert compare(tape(hostile), replay(hostile)).verdict is Verdict.EQUAL
