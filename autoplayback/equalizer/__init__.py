"""Compares a recorded with a replayed tape under rules. Pure: no store, no service, no clock."""
