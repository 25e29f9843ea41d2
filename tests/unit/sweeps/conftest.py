"""Property tests without deadlines: a shared machine has no say in whether a law holds."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("swath", deadline=None, database=None)
settings.load_profile("swath")
