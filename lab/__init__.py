"""Measurements of the program, and attacks on it. They lie beside the product: no installed wheel carries them."""
