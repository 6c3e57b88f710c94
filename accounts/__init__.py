"""Who may do what: API keys, roles, and the table route × role."""
