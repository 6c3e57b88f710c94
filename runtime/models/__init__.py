"""Model files: the content-addressed folder, headers, quantising at install."""
