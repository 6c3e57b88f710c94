"""People's work on results: requests of those concerned, and reviews by officers. It knows no log and no register."""
