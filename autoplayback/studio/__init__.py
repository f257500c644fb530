"""Chooses tapes, runs replays in fresh processes, and judges them."""
