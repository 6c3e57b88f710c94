"""What somebody takes away to check it elsewhere: receipts, samples, evidence."""
