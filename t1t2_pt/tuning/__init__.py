"""The method for any graph: `updates` of shared variables for one's own function, and `Tuner`, which has the loop too.

Imports `sweeps`, `training`, `backends`, `hypergradients`, `optimizers` and what they import.
"""

from t1t2_pt.tuning.moves import Updates
from t1t2_pt.tuning.saved import load_state, save_state
from t1t2_pt.tuning.tuner import Costs, Tuner
from t1t2_pt.tuning.updating import updates

__all__ = ["Costs", "Tuner", "Updates", "load_state", "save_state", "updates"]
