"""A seeded world of companies whose products send events, with every trouble that producers make.

``plan`` makes records (pure: the same plan gives the same bytes), ``publish`` appends them to raw.
"""

from pipeline.simulate.plan import Plan, SimRecord, simulate

__all__ = ["Plan", "SimRecord", "simulate"]
