"""The process in which inputs are tried, by libFuzzer or one by one; started by ``__main__.py``.

``target.py KEPT [OPTION...]`` fuzzes with these options of libFuzzer; ``target.py KEPT --repeat FILE...`` tries files.
Before an input is tried it is written to the file KEPT, in which it stays whatever ends the process.
"""

import gc
import mmap
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.building import use

MOST = 1 << 16
_SIZE = 8


class Kept:
    """The latest input, in a file that outlives the process: its length, then its bytes."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(_SIZE + MOST))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def keep(self, data: bytes) -> None:
        self._map[: _SIZE + len(data)] = len(data).to_bytes(_SIZE) + data

    @staticmethod
    def read(path: Path) -> bytes:
        """The latest input of a process that ended."""
        told = path.read_bytes()
        return told[_SIZE : _SIZE + int.from_bytes(told[:_SIZE])]


def _trying(check: Callable[[bytes], None], kept: Kept) -> Callable[[bytes], None]:
    def attempt(data: bytes) -> None:
        kept.keep(data)
        try:
            check(data)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)

    return attempt


def main() -> None:
    kept, *options = sys.argv[1:]
    if options[0] != "--repeat":
        import atheris  # noqa: PLC0415 - its engine has to be there before what it looks at
        import atheris.core_with_libfuzzer  # noqa: PLC0415
    use()
    from agents.core.native import IS_BUILT  # noqa: PLC0415
    from tests.fuzz import cases, changes  # noqa: PLC0415 - those import the compiled parts

    assert IS_BUILT
    attempt = _trying(cases.check, Kept(Path(kept)))
    if options[0] == "--repeat":
        for path in options[1:]:
            attempt(Path(path).read_bytes())
        return
    changed = changes.changing(atheris.Mutate)
    gc.freeze()  # what is loaded by now is not looked through again and again
    atheris.Setup([sys.argv[0], *options], attempt, custom_mutator=changed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
