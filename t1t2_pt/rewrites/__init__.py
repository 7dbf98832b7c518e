"""Graph rewrites that PyTensor does not have.

Importing the package registers `reassociate_products` with PyTensor, for every linker; it works on
what is marked with `reassociated`, as the results of `hypergradient` are, and on nothing else. Imports `ops`.
"""

from t1t2_pt.rewrites.accumulation import accumulate_in_output_dtype
from t1t2_pt.rewrites.marks import EXACT, FAST, PRECISIONS, reassociated
from t1t2_pt.rewrites.reassociation import ReassociateProducts

__all__ = ["EXACT", "FAST", "PRECISIONS", "ReassociateProducts", "accumulate_in_output_dtype", "reassociated"]
