"""The register in the formats of others, out and in: one pure file a format, listed in `registry.exchange.formats`."""
