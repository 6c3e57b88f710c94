"""The schema's one linear history, run by `app.actions.keeping.migrate`; a package only so that it is installed."""
