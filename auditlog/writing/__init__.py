"""Writing a log: the queue, the group, keys and guard, the head, publication."""
