"""Frames come out as they went in, however a pipe cuts them."""

from __future__ import annotations

import os
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from autoplayback.player import framing

messages = st.lists(st.dictionaries(st.text(max_size=3), st.integers(0, 9) | st.binary(max_size=20), max_size=3), max_size=5)


@given(messages, st.lists(st.integers(0, 200)))
def test_frames_are_put_together_again_from_any_pieces(sent: list[framing.Message], cuts: list[int]) -> None:
    """Whole frames, parts of them, several at once, and nothing at all."""
    stream = b"".join(map(framing.pack, sent))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    inbox = framing.Inbox()
    got = [message for start, end in pairwise(edges) for message in inbox.feed(stream[start:end])]
    assert got == sent


@given(messages.filter(bool), st.data())
def test_a_cut_frame_is_forgotten_on_demand(sent: list[framing.Message], data: st.DataObject) -> None:
    """Its writer was killed: the next one's frames begin anew."""
    inbox = framing.Inbox()
    frame = framing.pack(sent[0])
    assert list(inbox.feed(frame[: data.draw(st.integers(0, len(frame) - 1))])) == []
    inbox.clear()
    assert list(inbox.feed(b"".join(map(framing.pack, sent)))) == sent


def test_a_message_larger_than_a_pipe_arrives_whole_and_a_cut_one_is_the_end() -> None:
    reading, writing = os.pipe()
    message = {"tape": os.urandom(1 << 20)}
    if (child := os.fork()) == 0:
        framing.send(writing, message)
        os.write(writing, framing.pack(message)[:10])
        os._exit(0)
    os.close(writing)
    assert framing.receive(reading) == message
    assert framing.receive(reading) is None
    os.waitpid(child, 0)
    os.close(reading)
