"""The tape: its model, its values, its bytes. No I/O, and no class of the recorded service is needed to read one."""
