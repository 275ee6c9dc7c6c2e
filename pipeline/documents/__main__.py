"""``python -m pipeline.documents [--check]``: write the generated documents below ``docs/``, or name the stale ones."""

import sys
from pathlib import Path

from pipeline.documents import stale, write

DOCS = Path(__file__).parents[2] / "docs"

if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        names = stale(DOCS)
        if names:
            sys.exit(f"stale: {', '.join(names)}; run make docs")
    else:
        write(DOCS)
