"""What must hold of a log, told from its published files alone: audit, rules, samples, gaps, the verifier. Pure."""
