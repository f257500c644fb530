"""Python values as documents, and back: the names other rooms use.

    encode      encoder.Encoder     the service's thread, at the call
    look        inert.inspect       trees of plain values and Tagged: no class, no import
    make again  rebuild.rebuild     objects, of trusted packages only
    compare     canonical.canonical the same bytes for what counts as the same argument
"""

from __future__ import annotations

from autoplayback.tape.canonical import canonical
from autoplayback.tape.encoder import Encoder, isdata
from autoplayback.tape.inert import Inert, Tagged, inspect, named
from autoplayback.tape.rebuild import Trust, rebuild
from autoplayback.tape.render import render

__all__ = ["Encoder", "Inert", "Tagged", "Trust", "canonical", "inspect", "isdata", "named", "rebuild", "render"]
