"""AWS through boto3: botocore's seam."""

from __future__ import annotations

from autoplayback.presets.botocore import TARGETS

__all__ = ["TARGETS"]
