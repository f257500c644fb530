"""The real clock, files and randomness, taken before anything is patched.

The instrument must not see its own effect: a recorder that asked a travelled clock for the time, or a player that drew from
the service's seeded generator, would write what it had itself made up. Every other module of ours takes these from here.
"""

from __future__ import annotations

import _thread
import os
import time
from builtins import open

__all__ = ["allocate_lock", "monotonic_ns", "open", "perf_counter_ns", "process_id", "random_bytes", "sleep",
           "start_new_thread", "time_ns"]

time_ns = time.time_ns
monotonic_ns = time.monotonic_ns
perf_counter_ns = time.perf_counter_ns
sleep = time.sleep
random_bytes = os.urandom
process_id = os.getpid
start_new_thread = _thread.start_new_thread
"""A real thread, also where gevent has since made `threading` give greenlets."""
allocate_lock = _thread.allocate_lock
