"""HTTP through requests: urllib3's seam, below sessions, adapters and redirects, which all run again at replay."""

from __future__ import annotations

from autoplayback.presets.urllib3 import TARGETS

__all__ = ["TARGETS"]
