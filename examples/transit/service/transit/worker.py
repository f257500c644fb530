"""The queue worker: `python -m transit.worker` plans what is queued, then ends."""

from transit import data, jobs

if __name__ == "__main__":
    while job := data.take_job():
        jobs.run(job[1])
