"""The command line, `realtime-nb`.

Floor 9: imports everything.
"""
