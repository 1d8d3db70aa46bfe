"""The Realtime socket: its session, how it hears, and how it answers."""
