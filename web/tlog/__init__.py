"""Logs over HTTP: ours as tiles, mirrored ones, the witness, and the ticker that publishes."""
