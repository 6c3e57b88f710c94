"""The letter that explains one result from its record."""
