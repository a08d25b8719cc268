"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# Cores are shared with other work: how long one example takes says nothing about the code.
settings.register_profile("shared-cores", deadline=None)
settings.load_profile("shared-cores")
