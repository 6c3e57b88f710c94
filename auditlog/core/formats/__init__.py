"""Bytes with one spelling: the C2SP formats, the tree, keys and policies, commitments, receipts. Pure."""
