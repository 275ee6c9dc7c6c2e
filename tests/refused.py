"""What a decoder refuses of a record, as tests compare it."""

from agents.core.shared.records import Decoded, Refusal

__all__ = ["refusals_of"]


def refusals_of(decoded: Decoded) -> tuple[Refusal, ...]:
    """The refusals, each by itself."""
    return tuple(
        Refusal(None if run.index is None else run.index + more, run.reason, run.at)
        for run in decoded.items
        if isinstance(run, Refusal)
        for more in range(run.count)
    )
