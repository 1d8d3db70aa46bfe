"""How something sounds and was said: voices, words, turns; and how far two systems are apart.

Floor 3: imports the floors below; the floors above import it.
"""
