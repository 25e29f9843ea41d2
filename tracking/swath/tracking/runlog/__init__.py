"""The run log: its records, their frames, the file that holds them, and what is read from it."""
