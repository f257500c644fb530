"""Ready-made targets, a file a library."""
