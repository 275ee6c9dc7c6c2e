"""A broker of one's own for a measurement, in a folder that goes with it."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pipeline.broker.embedded import embedded
from pipeline.cli.show import bar

__all__ = ["own_broker"]


@asynccontextmanager
async def own_broker(name: str) -> AsyncIterator[tuple[str, Path]]:
    """Its bootstrap address, and a folder for what else the measurement ``name`` keeps."""
    with tempfile.TemporaryDirectory(prefix=f"footfall-{name}-") as made:
        folder = Path(made)
        with bar("broker") as report:
            running = embedded(folder / "broker", report)
            brokers = await running.__aenter__()
        try:
            yield brokers, folder
        finally:
            await running.__aexit__(None, None, None)
