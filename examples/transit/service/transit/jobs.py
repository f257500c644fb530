"""What a queued job does."""

from transit import data, planner
from transit.model import Plan


def run(depot: str) -> Plan:
    plan = planner.plan(depot, data.load_trips(depot))
    data.save_plan(plan)
    return plan
