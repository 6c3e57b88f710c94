"""The public page of one system."""
