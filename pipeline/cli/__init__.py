"""The one program, ``footfall``: a file a command, each thin over the part that does the work.

``main`` turns every refusal into one line on stderr and exit code 2.
"""

from pipeline.cli.main import app, main

__all__ = ["app", "main"]
