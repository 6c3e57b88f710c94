"""Documents that people read: one folder each, made from a frozen context and nothing else."""
