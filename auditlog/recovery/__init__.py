"""A log on its way out, back in, and held against itself: export, import, the full check."""
