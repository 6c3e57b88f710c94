"""What a step writes: answers from a set, lines of text, JSON values; each under the form that its schema allows."""
