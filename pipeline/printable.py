"""Text for people that may hold what somebody wrote to a topic."""

__all__ = ["printable"]


def printable(text: str) -> str:
    """``text`` without anything that a terminal obeys: whatever is no visible character is escaped as in Python."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
