"""Reading record batches from a broker: whatever bytes they hold, they come to records and verdicts.

``consumer`` makes the client that everything reads topics with; ``fetching`` has it hand over batches as they lie on
the broker, not yet decompressed; ``parts`` turns them into records, one batch at a time and bounded (ADR 0018).
``codecs`` decompresses, ``plain`` reads records where there is no C compiler, ``trusted`` says who may write what.
"""
