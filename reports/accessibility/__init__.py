"""The accessibility statement of the site and its documents."""
