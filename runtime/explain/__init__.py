"""Why a result came out as it did: measured by runs of the weights that gave it, or withheld for a named reason."""
