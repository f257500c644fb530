"""What of a message to Celery identifies it: all that its task is given, and nothing that names this very message."""

from __future__ import annotations

from typing import Any

import celery
import pytest

from autoplayback.presets.celery import SEND

app = celery.Celery("tests", broker="memory://")


@app.task
def work(*args: Any, **kwargs: Any) -> None:
    raise NotImplementedError


class Touchy:
    """An object that nobody may compare or count."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __len__(self) -> int:
        raise AssertionError("counted")

    __hash__ = None  # type: ignore[assignment]


def asked(**options: Any) -> Any:
    return SEND.asked(work, ((1,), {}), options)[1]


@pytest.mark.parametrize(
    "wrap", [lambda sent: sent, lambda sent: celery.chain(sent, work.s(1)), lambda sent: celery.group(work.s(), sent)]
)
@pytest.mark.parametrize("name", ["reply_to", "parent_id", "connection", "task_id"])
def test_a_linked_task_is_known_by_all_that_it_is_given(wrap: Any, name: str) -> None:
    """Its parameters may be called like options of Celery's own."""
    assert asked(link=wrap(work.s(**{name: "a"}))) != asked(link=wrap(work.s(**{name: "b"})))
    assert asked(link=wrap(work.s(n=[]))) != asked(link=wrap(work.s()))


def test_a_message_of_its_own_name_is_the_same_message() -> None:
    """Ids are drawn anew for each."""
    one, other = (
        asked(task_id=id, reply_to=id, countdown=5, link=celery.chain(work.s(1).set(task_id=id), work.s(2))) for id in "ab"
    )
    assert one == other
    assert one["countdown"] == 5


def test_objects_among_options_are_not_looked_at() -> None:
    """They are encoded as all values are, which runs nothing of theirs."""
    touchy = Touchy()
    options = asked(headers={"of": touchy}, shadow=touchy, link=work.s(touchy, of=touchy))
    assert options["headers"]["of"] is touchy
    assert options["link"]["kwargs"]["of"] is touchy
