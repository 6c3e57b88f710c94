"""The log, its public view, its keys, its witnesses, and the logs of others."""
