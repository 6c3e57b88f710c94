"""A provider's bill held against recorded usage."""
