"""What the program does, one file a subject: plain functions that HTTP, command line and demo call alike."""
