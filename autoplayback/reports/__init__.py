"""What people and machines read of a run, all made from its JSON lines."""
