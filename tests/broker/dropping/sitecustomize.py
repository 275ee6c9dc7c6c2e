"""Python runs this at its start where this folder is in PYTHONPATH: a worker drops each partition's first fetch."""

from collections.abc import Sequence
from typing import Any

from pipeline.worker.manager import Owners

_receive = Owners.receive
_dropped = set[int]()


async def _receive_but_the_first(owners: Owners, partition: int, batches: Sequence[Any]) -> int | None:
    if partition in _dropped:
        return await _receive(owners, partition, batches)
    _dropped.add(partition)
    print(f'{{"event": "dropped", "partition": {partition}}}', flush=True)
    return None


Owners.receive = _receive_but_the_first  # type: ignore[method-assign]
