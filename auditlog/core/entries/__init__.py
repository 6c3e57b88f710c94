"""What the log says: kinds of entries, their words, strict reading and making, the receipt of one. Pure."""
