"""`doctor`: facts about the set-up are gathered apart from the rules that make lines of them.

Floor 8: imports the floors below; the floors above import it.
"""
