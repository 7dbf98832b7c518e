"""Many runs: which follow from which, which train together, and where: in this process, in others, on a cluster.

Imports `runs` and what that imports.
"""
