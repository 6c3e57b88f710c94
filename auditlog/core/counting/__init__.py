"""Figures from summed cells, tallies, what stays closed in a published table. Pure."""
