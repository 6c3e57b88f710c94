"""Tallies, what they sum to, and what an operator watches."""
