"""An installation kept: schema, backup, restore, rebuilding, vault keys, and what is done once a day."""
