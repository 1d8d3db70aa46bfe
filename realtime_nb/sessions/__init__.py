"""`RealtimeSession`, `ChatSession` and `CascadeSession`, and what they share: connection, tools, guard, bounds.

Floor 5: imports the floors below; the floors above import it.
"""
