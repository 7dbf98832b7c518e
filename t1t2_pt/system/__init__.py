"""What lies between the package and its surroundings: files, streams, signals, processes, and errors in one line.

Imports no other room.
"""
