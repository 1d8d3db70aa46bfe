"""What is looked at when something does not work, and what follows from it."""
