"""Compares a recorded with a replayed tape under rules. Pure: no store, no service, no clock.

compare     two tapes and rules -> Judgement
sides       what of a tape is compared         rules     what the config says, compiled
differ      two inert trees -> differences      content   structure inside text
metrics     numbers with a direction            plugins   comparators of the user's
"""

from autoplayback.equalizer.compare import compare
from autoplayback.equalizer.rules import merged
from autoplayback.equalizer.verdict import Difference, Judgement, Reading, Verdict

__all__ = ["Difference", "Judgement", "Reading", "Verdict", "compare", "merged"]
