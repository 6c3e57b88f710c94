"""Recorded decisions run again, and the self-test that says how exactly this device repeats itself."""
