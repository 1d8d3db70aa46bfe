"""Tokens, a dated table of prices, and dollars.

Floor 1: imports the floors below; the floors above import it.
"""
