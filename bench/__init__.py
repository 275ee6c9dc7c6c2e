"""Speed, measured: Footfall beside its peers on a real broker, and the limits of the same bytes in one process.

`make bench` runs ``compare`` and prints one table: ``workload`` makes the records, ``peers`` holds the other systems,
``footfall_peer`` makes Footfall one of them, ``limits`` takes single steps alone, ``report`` makes a page.
`make measure` runs the worker pair alone (``pair``) and compares its sink with the oracle, with NAME another program.
Figures of two runs are not compared, only rows of one: the machine is whatever it is that minute.
"""
