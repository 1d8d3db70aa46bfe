"""Sessions: the three systems behind one contract, `realtime_nb.sessions.base.Session`."""
