"""The process that owns llama.cpp, and its supervisor: pipes, frames, counters, streams."""
