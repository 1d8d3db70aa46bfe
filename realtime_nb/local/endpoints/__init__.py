"""HTTP endpoints beside the Realtime socket: chat, speech, transcriptions, secrets."""
