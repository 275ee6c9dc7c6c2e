"""The second fold: clean chunks become figures."""
