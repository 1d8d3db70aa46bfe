"""`doctor`: one part gathers facts about the set-up, another turns them into lines with what to do.

Floor 8: imports the floors below; the floors above import it.
"""
