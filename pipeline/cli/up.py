"""``footfall up``: the real broker and both workers for development, until Ctrl-C."""

import asyncio
import signal
import time
from pathlib import Path

import typer

from pipeline.cli.show import bar, console
from pipeline.errors import Refused
from pipeline.settings import Settings, load_settings
from pipeline.stack import Stack, running_stack

__all__ = ["up"]


def up(
    emit_interval: float = typer.Option(1.0, min=1, help="Seconds between emissions to the sink."),
    announce: bool = typer.Option(False, "--announce", help="Go on although release or settings changed."),
) -> None:
    """Start a broker, the topics and both workers, print their addresses, and keep them until Ctrl-C.

    Data stays in FOOTFALL_DATA_DIR (.footfall), so the next start goes on with it. A partition where nothing happens
    closes all past months five minutes after the start: what is published of them later counts as corrections.
    """
    asyncio.run(_up(load_settings(), emit_interval, announce=announce))


async def _up(settings: Settings, emit_interval: float, *, announce: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    folder = (settings.data_dir / "up").resolve()
    with bar("broker", to_stderr=True) as report:
        running = running_stack(settings, folder, {"EMIT_INTERVAL": str(emit_interval)}, report, announce=announce)
        stack = await running.__aenter__()
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        _tell(stack, folder)
        while not stop.is_set():
            for worker in stack.workers:
                if worker.process.poll() is not None:
                    raise Refused(f"worker {worker.kind} ended", f"read its log, {worker.log}")
            try:
                await asyncio.wait_for(stop.wait(), 0.5)
            except TimeoutError:
                continue
        console.print("stopping")
    finally:
        await running.__aexit__(None, None, None)


def _tell(stack: Stack, folder: Path) -> None:
    console.print(f"broker     {stack.brokers}", highlight=False)
    for worker in stack.workers:
        console.print(f"{worker.kind:<10} {worker.metrics_url}", highlight=False)
    console.print(f"logs       {folder / 'logs'}", highlight=False)
    console.print("In another terminal:", highlight=False)
    keys = " ".join(f"FOOTFALL_{name}={path}" for name, path in stack.keys.items())
    console.print(f"  export FOOTFALL_BROKERS={stack.brokers} {keys}", soft_wrap=True)
    console.print("  footfall simulate --publish; footfall watch; footfall verify; footfall doctor")
    month = time.strftime("%Y-%m-01T00:00:00Z", time.gmtime())
    console.print(f"  footfall explain 'acme|user_messages|P1M|{month}|'; footfall audit", soft_wrap=True)
    console.print("Ctrl-C stops all of it.")
