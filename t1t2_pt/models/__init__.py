"""Trained networks that are kept: what predicts, its file, and how it is taken from a run.

Imports `training` and what that imports.
"""

from t1t2_pt.models.model import Model
from t1t2_pt.models.model_files import read_model, write_model

__all__ = ["Model", "read_model", "write_model"]
