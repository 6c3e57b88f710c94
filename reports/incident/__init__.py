"""The notice of an incident, from a deployer."""
