"""The notice that goes with one result (AI Act 26(11))."""
