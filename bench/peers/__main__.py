"""``python -m bench.peers``: every peer over one workload, one after the other on the same topic, as one table."""

import asyncio

import typer
from rich.table import Table

from bench.broker import own_broker
from bench.peers.catalogue import PEERS, Peer
from bench.peers.expected import expected_figures
from bench.peers.figures import create_sink
from bench.peers.running import PeerResult, run_peer
from bench.workload import Workload, append_all, records
from pipeline.cli.show import bar, console

_END = 1_790_000_000_000
"""End of the workload's day, milliseconds: peers do not look at the clock, so any day will do."""
_SHOWN = 3


def main(
    events: int = typer.Option(1_000_000, min=100),
    batch: int = typer.Option(1, min=1, max=1000, help="Events in a record."),
    workers: int = typer.Option(2, min=1, help="Threads or processes of a peer, whichever it scales by."),
    only: str = typer.Option("", help="Run only peers whose name or guarantee has this text."),
    deadline: float = typer.Option(600, min=1, help="Seconds for each peer."),
) -> None:
    """Run the peers that can be had here; exit code 1 where one came to wrong figures."""
    chosen = [peer for peer in PEERS if only.lower() in f"{peer.name} {peer.guarantee}".lower()]
    results = asyncio.run(_run(chosen, Workload(_END, events, batch=batch), workers, deadline))
    console.print(_table(results, events))
    raise typer.Exit(0 if all(isinstance(result, str) or result.right for _, result in results) else 1)


async def _run(
    peers: list[Peer], workload: Workload, workers: int, deadline: float
) -> list[tuple[Peer, PeerResult | str]]:
    """Each peer's result, or why it is left out."""
    results: list[tuple[Peer, PeerResult | str]] = []
    made = list(records(workload))
    expected = expected_figures(made)
    async with own_broker("peers") as (brokers, folder):
        await create_sink(brokers, "raw", workload.partitions)
        await append_all(brokers, "raw", workload.partitions, made)
        del made
        for peer in peers:
            with bar(f"{peer.name}, {peer.guarantee}"):
                why = await asyncio.to_thread(peer.prepare)
                given = {"partitions": workload.partitions, "workers": workers}
                results.append(
                    (peer, why or await run_peer(peer, brokers, "raw", folder, expected, **given, deadline=deadline))
                )
    return results


def _table(results: list[tuple[Peer, PeerResult | str]], events: int) -> Table:
    table = Table(title=f"{events:,} events")
    for name in ("peer", "guarantee", "events/s", "CPU s per million", "memory", "sink"):
        table.add_column(name, justify="left" if name in {"peer", "guarantee", "sink"} else "right")
    for peer, result in results:
        if isinstance(result, str):
            table.add_row(peer.name, peer.guarantee, "", "", "", f"left out: {result}")
            continue
        rate, cpu = result.rate, result.cpu_per_million
        table.add_row(
            peer.name,
            peer.guarantee,
            "" if rate is None else f"{rate:,.0f}",
            "" if cpu is None else f"{cpu:.1f}",
            f"{result.peak_rss / 1e6:,.0f} MB",
            f"{result.figures:,} figures as expected" if result.right else f"[red]{_wrong(result)}[/red]",
        )
    return table


def _wrong(result: PeerResult) -> str:
    shown = [f"{figure} is {found}, not {wanted}" for figure, wanted, found in result.differences[:_SHOWN]]
    counted = f"{len(result.differences):,} figures differ"
    return "; ".join([*([result.problem] if result.problem else []), counted, *shown]).replace("[", r"\[")


if __name__ == "__main__":
    typer.run(main)
