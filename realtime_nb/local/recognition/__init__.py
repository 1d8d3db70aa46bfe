"""Words and turns in sound."""
