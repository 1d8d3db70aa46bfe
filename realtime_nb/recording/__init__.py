"""A session as data: written while it goes on, read again as records and data frames.

Floor 3: imports the floors below; the floors above import it.
"""
