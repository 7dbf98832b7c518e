"""The loop: runs that train together, epoch by epoch, and what was measured of them.

Imports `backends`, `datasets` and what these import.
"""
