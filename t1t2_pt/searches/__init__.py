"""Searches for hyperparameters through Optuna, by runs that the store remembers, before or after T1-T2.

A room of its own above `sweeps`: a search asks for runs and waits for them, and nothing that trains knows of it.

Imports `sweeps` and what it imports; Optuna is imported when a search begins.
"""
