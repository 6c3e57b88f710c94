"""The demo: an invented municipality, three systems, a real small model, and the whole chain on its own output."""
