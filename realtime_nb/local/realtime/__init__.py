"""The Realtime socket: its session, what it hears and how it answers."""
