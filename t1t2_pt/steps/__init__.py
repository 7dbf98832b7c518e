"""One update of everything that training changes, and one evaluation, as pure graphs; no data and no random state.

Imports `config` and what that imports.
"""
