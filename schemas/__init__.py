"""What travels: events, aggregates, rejections, topics and the metric catalogue.

Each fact stands here once, as typed data; the agents, the oracle, the documents and the tests are
made from it. Nothing of ours is imported. Begin with :mod:`schemas.wire.envelope` (what a producer sends),
then :mod:`schemas.catalogue.metrics` (what is counted of it) and :mod:`schemas.wire.aggregates` (what comes out).
"""
