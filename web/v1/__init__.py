"""The OpenAI API over the register."""
