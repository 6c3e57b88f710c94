"""Pages for who signs in: officers, approvers, auditors, operators, administrators."""
