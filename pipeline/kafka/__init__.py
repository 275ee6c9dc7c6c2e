"""The one place where Kafka clients are made and topics are read: by workers, by every command, by Faust's driver.

``connection`` says where the brokers are, ``clients`` makes every client, ``reader`` reads topics, ``appender`` writes
them, ``transport`` is Faust's driver. ``patches`` holds all that is replaced or wrapped in aiokafka and Faust.

Whatever bytes record batches hold, they come to records and verdicts: fetches hand over batches as they lie on the
broker, not yet decompressed; ``parts`` turns them into records, one batch at a time and bounded (ADR 0018). ``codecs``
decompresses, ``block_records`` reads records where there is no C compiler, ``trusted`` says who may write what.
"""
