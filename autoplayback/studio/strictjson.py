"""JSON as every reader takes it: Python's own writes NaN and Infinity, which no browser and few programs read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def dumped(document: Any) -> str:
    """One line; a number that JSON lacks (a NaN in metadata) stands as text."""
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(document), ensure_ascii=False, separators=(",", ":"), default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {key: _finite(child) for key, child in value.items()}
    return [_finite(child) for child in value] if isinstance(value, (list, tuple)) else value
