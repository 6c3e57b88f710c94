"""Instructions for use, from a provider."""
