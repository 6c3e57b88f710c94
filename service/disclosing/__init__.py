"""Documents from the record, and their check."""
