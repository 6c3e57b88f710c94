"""Decisions made elsewhere: their records, and the case system's own list held against them."""
