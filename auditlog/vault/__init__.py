"""The content behind the commitments: sealed, found by a blind index, erased for good."""
