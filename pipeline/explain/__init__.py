"""``footfall explain``: how a figure came about, without a word of who or what was behind it.

:mod:`pipeline.explain.wanted` reads the id, :mod:`pipeline.explain.making` counts the figure again from events,
:mod:`pipeline.explain.left_out` finds what was not counted; :mod:`pipeline.explain.reading` feeds them from a broker
into an :class:`pipeline.explain.explanation.Explanation`.
"""
