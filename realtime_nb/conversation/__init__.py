"""The fold: events become a `Conversation` of `Turn`s and `Reply`s, with their costs and times.

Floor 2: imports the floors below; the floors above import it.
"""
