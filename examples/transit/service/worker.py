"""The queue's worker: takes jobs from the database and plans them, one after another. Usage: python worker.py [--drain]"""

import sys
import time

import planning
import store


def handle(job):
    """Plans one job; what the customer's plan is and costs."""
    result = planning.make_plan(job.customer, job.depot, job.seed)
    store.finish(job, result["plan"])
    return result


def work(drain):
    """Takes jobs for ever, or until none is left."""
    while True:
        job = store.next_job()
        if job is not None:
            handle(job)
        elif drain:
            return
        else:
            time.sleep(0.2)


if __name__ == "__main__":
    work(drain="--drain" in sys.argv)
