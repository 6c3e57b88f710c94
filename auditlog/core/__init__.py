"""The pure core of the log: formats, entries, counts, checks and the verifier. See README.md beside this file."""
