"""Fuzzing of the compiled parts beside their forms in Python: ``make fuzz SECONDS=60`` (ADR 0027).

``cases.py`` says what an input stands for, ``comparing.py`` holds both forms of a fold to one outcome, ``seeds.py``
has the inputs to begin with, ``changes.py`` changes inputs with regard to what they mean. ``building.py`` builds the
compiled parts under sanitizers, ``target.py`` is the process in which inputs are tried; ``__main__.py`` starts it,
shows how far it is and keeps what it found. ``faults.py`` shows that it finds what is wrong.
"""
