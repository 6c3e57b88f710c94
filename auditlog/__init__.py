"""The log: records, commitments, proofs and their verification. Import the modules, not this package."""
