"""A bundled service to see it all on: recorded as it is, changed, and replayed.

The shop, its neighbour and its config lie in `shop/` as a user's files would; `session` records and replays them in a folder
that stays behind to play with.
"""
