"""All that is held about one person, as a document to read (GDPR 15); the file for machines stands beside it."""
