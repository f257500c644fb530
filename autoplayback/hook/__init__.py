"""What Python runs at its start."""
