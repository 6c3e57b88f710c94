"""Continuous batching: which requests run, on which sequences, and what each used of the device."""
