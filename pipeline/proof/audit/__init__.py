"""``footfall audit``: proves a finished period from the books, or says what keeps it from being proven.

Read one partition at a time: ``books`` judges its hours, ``corrections`` its corrections against the sink, ``verdict``
all of them together. Only ``reading`` talks to a broker.
"""
