"""Content that goes, content that must stay, and the proof of both."""
