"""The parts of a system's public record, by subject. `registry.system` puts them together."""
