"""People's work on results: reviews and requests."""
