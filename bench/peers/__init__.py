"""The same work in other frameworks, as their own documentation would have it, checked before it is timed.

The work: duplicates dropped by sequence, in any order; users behind a keyed pseudonym; counts by company, metric and
hour with the catalogue's dimensions; exact daily active users; changed figures to a sink topic once a second; state
that survives a crash; the strongest guarantee that the framework has. Left out, in their favour: refusals, consent,
lateness, closing of windows, days, months and sliding windows.

``kafka_streams/`` is a Maven project; ``quix``, ``bytewax_flow`` and ``stock_faust`` are programs, each run in an
environment of its own (``environment``, from the two hash-pinned lock files here), with ``work`` in common.
``catalogue`` lists the peers and says why one is left out; ``running`` runs one over a loaded topic and measures it;
``figures`` reads its sink; ``expected`` holds what must be in it. A peer whose sink differs has no speed.

Sink records: key ``company|metric|window size|window start|name=value,name=value``, value a JSON integer; the last
value of a key is the truth.
"""
