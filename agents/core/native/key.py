"""The key under which tables of the compiled part hash: drawn once a process, so that nobody outside can know it."""

import os
from typing import Final

__all__ = ["KEY"]

KEY: Final = os.urandom(16)
