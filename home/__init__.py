"""An installation: its settings, its files, and what is open while it runs. Every service gets it first."""
