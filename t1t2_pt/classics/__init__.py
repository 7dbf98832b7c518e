"""Demonstrations that made the method's relatives known, redone with the methods of this package; a file for each.

Imports `tuning`, `sweeps` and what they import.
"""
