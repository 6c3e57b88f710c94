"""What the log holds, how it is checked, and what it does not show."""
