"""What counts as equal for a bill, in the eyes of those who pay it; `suites: customers:` in autoplayback.yaml names it."""


def as_the_customer_sees_it(recorded, replayed, context):
    """A cent up or down is rounding, less is a present, more is a complaint."""
    before, after = (side.outputs["store"][0]["bill"]["amount"] for side in (recorded, replayed))
    if abs(after - before) < 0.015:
        return "equal", f"{after:.2f}"
    return "improved" if after < before else "degraded", f"was billed {before:.2f}, would be {after:.2f}"
