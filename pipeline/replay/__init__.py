"""Folding a past period again into a sink of its own, comparing it with the live one, and promoting it.

``request`` is what was asked for, ``start`` finds where reading must begin, ``folding`` folds and writes, ``comparing``
judges the live sink, ``promoting`` copies to it what it lacks.
"""
