"""`make attack`: plays an operator who holds all keys against real installations, and prints who noticed."""
