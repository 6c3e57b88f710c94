"""The schema's one linear history, run by `app.actions.migrate`; a package only so that it is installed."""
