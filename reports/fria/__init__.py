"""The fundamental rights impact assessment of a system."""
