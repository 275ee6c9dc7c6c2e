"""``footfall explain``: how a figure came about, without a word of who or what was behind it.

``wanted`` reads the id, ``making`` counts the figure again from events, ``left_out`` finds what was not counted;
``reading`` feeds them from a broker into an :class:`pipeline.proof.explain.explanation.Explanation`.
"""
