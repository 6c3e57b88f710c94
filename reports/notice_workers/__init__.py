"""What workers and their representatives are told before a system comes to their workplace (AI Act 26(7))."""
