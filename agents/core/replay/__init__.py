"""Folding a period again."""
