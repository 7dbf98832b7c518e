"""Estimators for scikit-learn that tune their own regularisation: `T1T2Classifier` and `T1T2Regressor`.

Imports `backends` and what that imports, and needs scikit-learn (`pip install 't1t2_pt[sklearn]'`).
"""

try:
    import sklearn  # the library, not this package: imports are absolute
except ImportError as error:
    raise ImportError(
        "t1t2_pt.sklearn needs scikit-learn, which is not installed: pip install 't1t2_pt[sklearn]'"
    ) from error

from t1t2_pt.sklearn.classifier import T1T2Classifier
from t1t2_pt.sklearn.regressor import T1T2Regressor

__all__ = ["T1T2Classifier", "T1T2Regressor"]
del sklearn
