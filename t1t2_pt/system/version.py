"""The version of this package: the one place that says it, which `pyproject.toml` reads without importing anything.

What is installed may be older than the checkout that runs, or not installed at all; this goes with the code.
"""

VERSION = "0.1.0"
