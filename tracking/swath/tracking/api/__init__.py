"""Reading recorded runs back, and changing what may be changed of them: `Api`, as users know it from W&B."""

from swath.tracking.api.api import Api
from swath.tracking.api.files import File
from swath.tracking.api.run import Run
from swath.tracking.api.runs import Runs

__all__ = ["Api", "File", "Run", "Runs"]
