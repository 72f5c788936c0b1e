"""Tests of properties with generated examples."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

__all__ = ["given"]

# On a busy machine, any example may take long.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")
