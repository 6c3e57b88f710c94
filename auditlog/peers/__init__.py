"""Others who watch the log: witnesses that cosign it, authorities that time-stamp it, mirrors that keep it."""
