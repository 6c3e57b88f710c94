"""What people are told when they deal with AI, or with what AI made (AI Act 50)."""
