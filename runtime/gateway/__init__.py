"""Models that somebody else runs, asked over HTTP under the same number and record."""
