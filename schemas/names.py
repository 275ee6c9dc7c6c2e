"""Types for values that look like others and must not be mixed with them."""

from typing import NewType

__all__ = ["Pseudonym"]

Pseudonym = NewType("Pseudonym", bytes)
"""16 bytes; keyed, one way, and different for each company."""
