"""Python runs this at its start where this folder is in PYTHONPATH: it finds no compiled part then."""

import sys

sys.modules["agents.core.native.fast_path"] = None  # type: ignore[assignment]
