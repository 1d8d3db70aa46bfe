"""The local voice server, in a process of its own.

Floor 4: imports floors 0 and 1 only. Sessions start its process; experiments and the doctor may use its parts.
"""
