"""`--base`: the same tapes on two versions of the code, to tell a change in this code from a changed environment, and from noise.

    tape = base = head     equal
    tape = base ≠ head     this code changed it                         the verdict stands, cause `code`
    tape ≠ base = head     not this code: the environment, or the tape  judged against the base, cause `environment`
    tape ≠ base ≠ head     both                                         judged against the base, cause `both`
    base ≠ base again      noise: named on the result, never dropped

Outcomes are compared by the run's own rules; the base stands in for the recording where the two disagree.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from autoplayback import equalizer
from autoplayback.config.notations import share
from autoplayback.config.settings import Compare, Settings
from autoplayback.equalizer.verdict import Difference, Judgement, Verdict
from autoplayback.errors import ConfigError
from autoplayback.recorder.redaction import Redactor
from autoplayback.studio import results
from autoplayback.studio.executors import Lane, Played, Pool, Ready, Trial, Unreadable
from autoplayback.studio.results import Result
from autoplayback.studio.runner import judged, rules_for
from autoplayback.studio.speed import TOLERANCE, Speed, speed
from autoplayback.tape.model import Tape


@contextmanager
def checked_out(base: str, workdir: str) -> Iterator[str]:
    """The folder of another version of the code: `base` itself if it is one, else that revision in a worktree of git's,
    removed again afterwards. Raises ConfigError where it is neither."""
    if os.path.isdir(base):
        yield os.path.abspath(base)
        return
    top = _git(workdir, "rev-parse", "--show-toplevel", base=base)
    revision = _git(workdir, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}", base=base)
    tree = os.path.join(tempfile.mkdtemp(prefix="autoplayback-base-"), "tree")
    try:
        _git(workdir, "worktree", "add", "--detach", "--quiet", tree, revision, base=base)
        folder = os.path.join(tree, os.path.relpath(os.path.realpath(workdir), os.path.realpath(top)))
        if not os.path.isdir(folder):
            raise ConfigError((None, f"--base {base}: that revision has no folder {os.path.relpath(workdir, top)}"))
        yield os.path.normpath(folder)
    finally:
        subprocess.run(["git", "-C", workdir, "worktree", "remove", "--force", tree], capture_output=True)
        shutil.rmtree(os.path.dirname(tree), ignore_errors=True)


def _git(workdir: str, *arguments: str, base: str) -> str:
    try:
        done = subprocess.run(["git", "-C", workdir, *arguments], capture_output=True, text=True)
    except OSError as error:
        raise ConfigError((None, f"--base {base}: it isn't a folder, and git can't be run: {error.strerror}")) from error
    if done.returncode:
        said = done.stderr.strip() or "no such revision"
        raise ConfigError((None, f"--base {base}: neither a folder nor a revision of {workdir}: {said}"))
    return done.stdout.strip()


class Trials:
    """A run against a base: its results as they come, and what they say of speed at the end."""

    def __init__(self, settings: Settings, suite: Compare | None = None, *, repeat: int = 1) -> None:
        """`repeat` above 1 asks for times; outcomes are looked at twice at least, or noise couldn't be told."""
        self._settings = settings
        self._suite = suite
        self._timed = repeat > 1
        self._rounds = max(2, repeat)
        self._times: dict[str, list[tuple[float, float]]] = {}
        self._tolerances: dict[str, float] = {}

    def run(
        self, tapes: Iterable[Tape | Unreadable], head: Lane, base: Lane, jobs: int, on_ready: Callable[[Ready], None]
    ) -> Iterator[Result]:
        """Replays and judges against the base. Closing the iterator ends all workers."""
        finish = Redactor(self._settings.redact).redact
        with Pool(replace(head, finish=finish), jobs, on_ready) as pool:
            for trial in pool.run_against(tapes, replace(base, finish=finish), self._rounds):
                yield judged(trial, self._settings, self._suite) if isinstance(trial, Unreadable) else self.judged(trial)

    def judged(self, trial: Trial) -> Result:
        """The three-way verdict on one tape, with its times where `repeat` asked."""
        times, result = self._time(trial), self._judged(trial)
        if times is None:
            return result
        cpu = {"base": times[0], "head": times[1]}
        return replace(result, more={**result.more, "base": {**result.more["base"], "cpu": cpu}})

    def _judged(self, trial: Trial) -> Result:
        tape, head, base = trial.tape, trial.head[0], trial.base[0]
        result = judged(head, self._settings, self._suite)
        if base.replay is None:
            return _marked(result, "unknown", [f"the base couldn't be replayed: {base.error}"], base="error")
        before = self._compared(tape, tape, base.replay)
        if head.replay is None:
            return _marked(result, "code" if before.verdict.passes() else "both", [], base=before.verdict.value)
        noise = self._noise(tape, trial.base)
        if result.verdict is Verdict.EQUAL:
            return _marked(result, "none", _varies(noise), base=before.verdict.value)
        against = self._compared(tape, base.replay, head.replay)
        ours = [difference for difference in against.differences if difference.at not in noise]
        if before.verdict.passes():
            noisy = bool(noise) and against.verdict is Verdict.DIFFERENT and not ours
            if not noisy:
                return _marked(result, "code", _varies(noise), base=before.verdict.value)
            return _marked(replace(result, verdict=Verdict.EQUAL, reason="differs only where unchanged code differs from itself"),
                           "noise", _varies(noise), base=before.verdict.value)  # fmt: skip
        told = f"the base is {before.verdict.value} too ({before.reason}); judged against the base"
        cause = "both"
        if against.verdict.passes() or (against.verdict is Verdict.DIFFERENT and noise and not ours):
            cause = "environment"
            against = replace(
                against, verdict=Verdict.EQUAL, reason=f"as the base: not this code, {before.reason}", differences=()
            )
        elif _same_miss(base.replay, head.replay):
            cause = "environment"
        return _marked(results.of(tape, head.replay, against), cause, [told, *_varies(noise)], base=before.verdict.value)

    def speeds(self) -> list[Speed]:
        """What the trials say of each operation's CPU time; nothing where `repeat` didn't ask."""
        return [speed(operation, pairs, self._tolerances[operation]) for operation, pairs in sorted(self._times.items())]

    def _compared(self, tape: Tape, recorded: Tape, replayed: Tape) -> Judgement:
        return equalizer.compare(recorded, replayed, rules_for(self._settings, tape, self._suite), moved=self._settings.moved)

    def _noise(self, tape: Tape, base: tuple[Played, ...]) -> dict[str, Difference]:
        """Where the base disagrees with itself."""
        first, *others = [played.replay for played in base if played.replay is not None]
        return {difference.at: difference for other in others for difference in self._compared(tape, first, other).differences}

    def _time(self, trial: Trial) -> tuple[float, float] | None:
        """The tape's CPU time on base and head, in seconds."""
        if not self._timed:
            return None
        pairs = [
            (old.cpu, new.cpu)
            for before, after in zip(trial.base, trial.head, strict=True)
            if before.replay is not None and after.replay is not None
            and (old := before.replay.playback) is not None and (new := after.replay.playback) is not None
            # One that a miss or an exception ended early was not faster.
            and not (old.misses or new.misses) and before.replay.outcome.end is after.replay.outcome.end
        ]  # fmt: skip
        if not pairs:
            return None
        # The least of several is the work itself: what a machine adds (other processes, cold caches) is never negative.
        times = min(b for b, _ in pairs) / 1e9, min(h for _, h in pairs) / 1e9
        self._times.setdefault(trial.tape.operation, []).append(times)
        if trial.tape.operation not in self._tolerances:
            asked = rules_for(self._settings, trial.tape, self._suite).duration
            amount, relative = share(asked) if isinstance(asked, str) else (None, False)
            self._tolerances[trial.tape.operation] = amount if relative and amount is not None else TOLERANCE
        return times


def _marked(result: Result, cause: str, notes: list[str], *, base: str) -> Result:
    more: Mapping[str, Any] = {**result.more, "base": {"verdict": base, "cause": cause}}
    return replace(result, notes=(*result.notes, *notes), more=more)


def _varies(noise: Mapping[str, Difference]) -> list[str]:
    return [f"noise: {at} varies on the base's unchanged code" for at in noise]


def _same_miss(base: Tape, head: Tape) -> bool:
    one, other = base.playback, head.playback
    return bool(one and other and one.misses and other.misses and one.misses[0].reason == other.misses[0].reason)
