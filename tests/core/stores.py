"""The stores that the folds are run over, with next to nothing of them held in memory."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from agents.core.accept import consent, sources
from agents.core.accept.source import Source
from agents.core.count.kinds import activity, members
from agents.core.shared.store import MemoryStore, Store
from pipeline.worker.stores import Stores

__all__ = ["STORES", "Make", "in_memory", "stores"]

Make = Callable[[], Store | None]
STORES = ("none", "memory", "rocksdb")
"""All state in the folds themselves; a store in memory under them; the store on disk."""


@contextmanager
def stores(kind: str, folder: Path, *, hot: int = 0) -> Iterator[Make]:
    """What makes an empty store of the kind; of a store's keys the folds hold ``hot`` in memory and a chunk's more."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as closing:
        for module, name in (
            (activity, "HOT_USERS"),
            (members, "HOT_MEMBERS"),
            (sources, "HOT_SOURCES"),
            (consent, "HOT_WORDS"),
        ):
            patch.setattr(module, name, hot)
        disk = Stores(folder, "test")

        def on_disk() -> Store:
            store = disk.open(0)
            closing.callback(store.close)
            return store

        yield {"none": lambda: None, "memory": MemoryStore, "rocksdb": on_disk}[kind]


def in_memory(found: sources.Sources) -> dict[bytes, Source]:
    """The sources that a fold holds in memory, by key: without a store all there are."""
    groups = [*found.table.older.values(), *found.table.known.values()]
    return {key: source for group in groups for key, source in group.items()}
