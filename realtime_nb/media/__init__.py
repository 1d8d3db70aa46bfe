"""Clips and pictures: samples and a rate, the files they come in, and what is in them.

Floor 1: imports the floors below; the floors above import it.
"""
