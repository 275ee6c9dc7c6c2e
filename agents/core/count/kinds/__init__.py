"""How figures of each kind are made of counted events: one part a kind, each with the same protocol (``part``).

``additive`` is counts and sums, ``active_users`` and ``distinct_sources`` the distinct ones, ``gauges`` and
``distributions`` what their names say. ``detail`` holds what a figure of the last two is beside its value.
"""
