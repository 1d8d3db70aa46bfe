"""The protocol: typed events, session settings, and the state machine between them. No I/O, no clock."""
