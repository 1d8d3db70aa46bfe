"""A session as data: a folder with everything that passed, both voices on one clock, and the way back to records."""
