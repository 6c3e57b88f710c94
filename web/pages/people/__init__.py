"""Pages for everybody: the register, checking a receipt, asking, and what the agency says of itself."""
