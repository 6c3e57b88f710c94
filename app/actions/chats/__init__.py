"""Conversations and answers that are read while they grow."""
