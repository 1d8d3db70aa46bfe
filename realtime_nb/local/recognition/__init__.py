"""Find words and turns in sound."""
