"""Signed values of itsdangerous: the session cookies of Flask and Starlette, and tokens of their extensions.

A tape holds a cookie as a token only, which no key has signed: with this preset it is found as valid as it was. A signature holds
the second it was made in; it is answered too.
"""

from __future__ import annotations

from autoplayback.presets import PresetTarget
from autoplayback.presets._secrets import SECRET

TARGETS = tuple(
    target
    for place in ("itsdangerous.signer:Signer", "itsdangerous.timed:TimestampSigner")
    for target in (
        PresetTarget(f"{place}.sign", "itsdangerous.sign", codec=SECRET),
        PresetTarget(f"{place}.unsign", "itsdangerous.unsign", trusts=("itsdangerous",)),
    )
)
