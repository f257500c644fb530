"""One planning, as the HTTP front and the worker both do it: read the timetable, plan, save the plan."""

import uuid
from datetime import UTC, datetime

import planner
import store


class Unknown(Exception):
    """The customer has no such depot."""


def make_plan(customer, depot, seed):
    """What the customer is told of a new plan; its blocks are in the database."""
    found = store.timetable(customer, depot)
    if found is None:
        raise Unknown(f"{customer} has no depot {depot!r}")
    plan = planner.plan(*found, seed)
    plan_id = str(uuid.uuid4())
    store.save(plan_id, depot, plan)
    return {
        "plan": plan_id,
        "depot": depot,
        "cost": plan.cost,
        "trips": plan.trips,
        "vehicles": len(plan.blocks),
        "planned_at": datetime.now(UTC).isoformat(),
    }
