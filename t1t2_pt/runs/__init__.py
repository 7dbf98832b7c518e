"""Finished and half-finished runs: their record, the store that keeps them, files of them, and what produced them.

Imports `models` and what that imports.
"""
