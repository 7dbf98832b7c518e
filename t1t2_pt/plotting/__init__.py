"""Figures and the report: their look, captions, statistics and claims, and what every script in `reproduce/` does.

Imports `cli`, as scripts are commands, and what that imports.
"""
