"""`autoplayback.yaml` as frozen settings; every problem in it with its file, line and column."""
