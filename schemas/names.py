"""Types for quantities that look alike and must not be mixed."""

from typing import NewType

__all__ = ["AppendTime", "CleanOffset", "Company", "EventTime", "Pseudonym", "RawOffset", "Revision", "SinkOffset"]

EventTime = NewType("EventTime", int)
"""Milliseconds since 1970 UTC of an event's ``time``."""
AppendTime = NewType("AppendTime", int)
"""Milliseconds since 1970 UTC at which the broker appended a record."""
RawOffset = NewType("RawOffset", int)
CleanOffset = NewType("CleanOffset", int)
SinkOffset = NewType("SinkOffset", int)
Revision = NewType("Revision", int)
"""2 x (raw offset of the last change) + (1 once the window has closed)."""
Company = NewType("Company", str)
Pseudonym = NewType("Pseudonym", bytes)
"""16 bytes; keyed, one way, and different for each company."""
