"""Types whose values are more than fields by name: each adapter writes and reads one of them.

A library adds its own through the entry-point group `autoplayback.adapters` (see `registry`).
"""
