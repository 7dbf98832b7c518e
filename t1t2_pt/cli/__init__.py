"""The `t1t2` command, and what every command has: its options, its signals, its streams.

Imports `searches` and what that imports.
"""
