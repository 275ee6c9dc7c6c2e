"""``footfall audit``: proves a finished period from the books, or says what keeps it from being proven.

Read one partition at a time: :mod:`pipeline.audit.books` judges its hours, :mod:`pipeline.audit.corrections` its
corrections against the sink, :mod:`pipeline.audit.verdict` all of them together. Only
:mod:`pipeline.audit.reading` talks to a broker.
"""
