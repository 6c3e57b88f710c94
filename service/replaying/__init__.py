"""Recorded decisions run again."""
