"""The names of parameters of functions in C, from what C tells."""

from __future__ import annotations

import inspect
import sqlite3
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoplayback.interception.resolve import signature_of
from autoplayback.interception.signatures import written

NAMES = st.lists(st.sampled_from([f"p{n}" for n in range(9)]), unique=True, max_size=9)


def test_one_default_that_cannot_be_written_hides_no_names():
    """`inspect.signature(sqlite3.Connection.execute)` raises; a tape says `sql` all the same."""
    assert [name for name, _ in signature_of(sqlite3.Connection.execute, receives=True)[0]] == ["sql", "parameters"]
    names, defaults = signature_of(sqlite3.connect, receives=False)
    assert [name for name, _ in names][:2] == ["database", "timeout"]
    assert defaults["timeout"] == 5.0
    assert "factory" not in defaults


@given(NAMES, NAMES, st.booleans(), st.booleans(), st.data())
def test_a_text_means_what_python_means_by_it(first, second, rest, keywords, data):
    """Any signature of a Python function, written down and read again."""
    cut = data.draw(st.integers(0, len(first)))
    defaulted = data.draw(st.integers(0, len(first)))
    words = [name if index < defaulted else f"{name}={index}" for index, name in enumerate(first)]
    if cut:
        words.insert(cut, "/")
    only = [f"k{name}" for name in second]
    words += ["*rest"] if rest else ["*"] if only else []
    words += only
    words += ["**others"] if keywords else []
    text = f"({', '.join(words)})"
    scope = {}
    exec(f"def f{text}: pass", scope)
    assert written(text) == list(inspect.signature(scope["f"]).parameters.values())


@pytest.mark.parametrize("text", ["", "(", "(a b)", "no signature", "(): pass\nx = 1\ndef g()"])
def test_any_other_text_is_refused(text):
    """Then the parameters go by their positions, as before."""
    with pytest.raises(ValueError):
        written(text)


def test_what_python_can_read_is_left_to_it():
    """As for functions in C which tell all."""
    assert [name for name, _ in signature_of(zlib.crc32, receives=False)[0]] == list(inspect.signature(zlib.crc32).parameters)
