"""Measures of speech: voices, words, turns; and differences between systems.

Floor 3: imports the floors below; the floors above import it.
"""
