"""Speech from words."""
