"""Speed, measured: the worker pair on a real broker, and the limits of the same bytes in one process.

`make bench` runs ``__main__`` and prints one table. ``workload`` makes the records, ``pair`` runs both workers over
them and checks the sink, ``limits`` takes single steps alone. Figures of two runs are not compared, only rows of one:
the machine is whatever it is that minute.
"""
