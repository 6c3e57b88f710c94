"""What the register does: systems and versions come in, are tested, and change their state."""
