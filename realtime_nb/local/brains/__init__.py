"""What thinks of answers: rules, a script, or a text model that already runs."""
