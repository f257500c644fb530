"""What varies from replay to replay, told from what has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from autoplayback.config.load import load
from autoplayback.config.settings import Compare
from autoplayback.equalizer import compare
from autoplayback.studio import results
from autoplayback.studio.noise import Experiment, patch
from autoplayback.tape.model import Miss
from tests.equalizer.tapes import Sent, replay, tape

UUIDS = ["1b4e28ba-2fa1-11d2-883f-0016d3cca427", "6fa459ea-ee8a-3ca4-894e-db77e160355e", "16fd2706-8baf-433b-82eb-8c7fada847da"]


def experiment(recorded: Any, *rounds: Any) -> Experiment:
    """One tape, replayed with these results."""
    found = Experiment()
    for replayed in rounds:
        found.begin()
        old, new = tape(recorded), replay(replayed)
        found.add(results.of(old, new, compare(old, new, Compare())))
    return found


def test_what_varies_is_proposed_and_what_changed_is_not() -> None:
    """`pid` is another one each time; `extra` came with the code."""
    found = experiment({"pid": 1, "n": 1}, {"pid": 20, "n": 1, "extra": 5}, {"pid": 30, "n": 1, "extra": 5})
    assert [(p.rule, p.path) for p in found.proposals()] == [("ignore", "result.pid")]
    [steady] = found.steady()
    assert steady.startswith("place_order: result.extra differs in the same way each time in 1 tapes")
    assert steady.endswith("recorded None, replayed 5")


def test_indexes_become_wildcards() -> None:
    """One rule for all rows."""
    found = experiment([{"t": 1}, {"t": 2}], [{"t": 11}, {"t": 12}], [{"t": 21}, {"t": 22}])
    assert [p.path for p in found.proposals()] == ["result[*].t"]


def test_an_item_that_alone_varies_is_named_alone() -> None:
    """A pair of a name and a time: a rule for both would hide the name, which never varied."""
    found = experiment(["ann", {"k": ["x", 1]}], ["ann", {"k": ["x", 22]}], ["ann", {"k": ["x", 33]}])
    assert [p.path for p in found.proposals()] == ["result[1].k[1]"]
    sent = experiment(1, 1, 1)
    for number in range(2):
        old, new = tape(1, Sent("mail.send", {"at": 0})), replay(1, Sent("mail.send", {"at": number + 5}))
        sent.add(results.of(old, new, compare(old, new)))
    assert [p.path for p in sent.proposals()] == ["outputs.mail.send[*].args.at"]


def test_whole_numbers_get_no_tolerance() -> None:
    """A process id that is near the last one is no quantity."""
    assert [p.rule for p in experiment(31_700, 31_713, 31_794).proposals()] == ["ignore"]


def test_the_gentlest_rule_that_fits_is_proposed() -> None:
    """Numbers that are near get a tolerance, ids are renamed; only the rest is ignored."""
    found = experiment(
        {"x": 1.0, "id": UUIDS[0], "s": "a"}, {"x": 1.001, "id": UUIDS[1], "s": "b"}, {"x": 1.002, "id": UUIDS[2], "s": "c"}
    )
    assert {p.path: p.rule for p in found.proposals()} == {
        "result.x": "tolerance",
        "result.id": "normalize",
        "result.s": "ignore",
    }


def test_a_place_that_is_steady_elsewhere_is_doubted() -> None:
    """The rule would hide a real difference of another tape."""
    found = Experiment()
    for number in range(2):
        found.begin()
        for name, value in (("01JD000000000000000000000A", number), ("01JD000000000000000000000B", 9)):
            old, new = tape({"v": 5}, id=name), replay({"v": value})
            found.add(results.of(old, new, compare(old, new)))
    [proposal] = found.proposals()
    assert (proposal.tapes, proposal.steady, proposal.of) == (1, 1, 2)
    assert "CAREFUL" in proposal.evidence


def test_the_patch_is_yaml_for_the_config() -> None:
    """Each rule with its evidence as a comment."""
    found = experiment({"x": 1.0, "s": "a"}, {"x": 1.001, "s": "b"}, {"x": 1.002, "s": "c"})
    text = patch(found.proposals())
    assert yaml.safe_load(text) == {
        "operations": [{"name": "place_order", "compare": {"ignore": ["result.s"], "tolerance": {"result.x": {"rel": 0.004}}}}]
    }
    assert "# varied in 1 of 1 tapes, e.g. 'a', 'b', 'c'" in text


@pytest.mark.parametrize(
    ("operation", "named"),
    [
        ("{target: 'shop:place_order', name: place_order}", {"target": "shop:place_order", "name": "place_order"}),
        ("{wsgi: 'shop:app', name: new, was: [place_order]}", {"wsgi": "shop:app", "name": "new"}),
    ],
)
def test_the_patch_is_a_config_of_its_own(operation: str, named: dict[str, str], tmp_path: Path) -> None:
    """With the operation's target in it, and whatever values and keys a tape had: `check` takes it as it is."""
    file = tmp_path / "autoplayback.yaml"
    file.write_text(f"operations: [{operation}]\n")
    hostile = "a\u2028b\x85\n- evil: \x00\x1b[31m\ud83d"
    found = experiment({'k"\\\u00e9 #': hostile}, {'k"\\\u00e9 #': hostile + "1"}, {'k"\\\u00e9 #': hostile + "2"})
    patched = tmp_path / "noise.yaml"
    patched.write_text(patch(found.proposals(), load(str(file)).settings))
    (entry,) = yaml.safe_load(patched.read_text())["operations"]
    assert {key: entry[key] for key in named} == named
    assert entry["compare"] == {"ignore": ['result["k\\"\\\\\u00e9 #"][1]']}
    assert len(load(str(patched)).settings.operations) == 1


def test_nothing_is_learned_from_what_diverged() -> None:
    """Its result is a consequence."""
    found = Experiment()
    found.begin()
    old, new = tape(1), replay(2, misses=[Miss("unanswered", "f", "f() is not on the tape")])
    found.add(results.of(old, new, compare(old, new)))
    assert found.proposals() == []
    assert list(found.unfit) == [old.id]
