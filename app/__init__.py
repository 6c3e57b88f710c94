"""Settings, wiring, actions, access, HTTP, pages and command line: the only package that knows all the others."""
