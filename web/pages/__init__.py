"""Pages for people: HTML without scripts, in the languages of the installation."""
