"""The schema's one linear history, run by `service.keeping.migrate`; a package only so that it is installed."""
