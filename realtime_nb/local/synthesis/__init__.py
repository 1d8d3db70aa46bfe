"""Make speech from words."""
