"""Graph rewrites that PyTensor does not have, usable on any PyTensor graph.

Importing the package registers `reassociate_products` with PyTensor, for every linker.
"""

from t1t2_pt.rewrites.accumulation import accumulate_in_output_dtype
from t1t2_pt.rewrites.reassociation import ReassociateProducts

__all__ = ["ReassociateProducts", "accumulate_in_output_dtype"]
