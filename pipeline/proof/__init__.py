"""Proving figures: the oracle, and what compares, audits and explains."""
