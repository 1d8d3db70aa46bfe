"""Brains, which decide what to answer: rules, a script, or a text model that already runs."""
