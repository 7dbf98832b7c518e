"""Networks: what one is, its parameters, and the symbolic graphs of its layers and costs.

Imports `ops`.
"""
