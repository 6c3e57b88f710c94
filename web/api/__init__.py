"""Our own API: decisions, records, requests, the register, and what auditors and operators ask."""
