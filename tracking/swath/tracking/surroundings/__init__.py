"""What a run is surrounded by: the program, its code and packages, the machine, and how busy it is meanwhile.

Nothing here raises into a program: what cannot be found out is left out.
"""

from swath.tracking.surroundings.facts import quick_facts, slow_facts
from swath.tracking.surroundings.git import diff
from swath.tracking.surroundings.gitfiles import glance
from swath.tracking.surroundings.program import source
from swath.tracking.surroundings.sampler import Sampler

__all__ = ["Sampler", "diff", "glance", "quick_facts", "slow_facts", "source"]
