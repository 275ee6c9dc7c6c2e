"""Keys of the counting fold that have expired, and are to be deleted a few with each chunk.

A deletion only saves space: whether a key is alive is decided by the partition's entry (design 2.1, rule 3).
"""

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from agents.core.count.company_bounds import bounds_key
from agents.core.count.figure import Figure
from agents.core.count.kinds.activity import user_key
from agents.core.count.pending_windows import pending_key
from agents.core.count.state import Entry
from schemas.catalogue.metrics import Distinct, Kind

if TYPE_CHECKING:
    from agents.core.count.fold import AggregateFold

__all__ = ["Tombstones"]

_MOST_TOMBSTONES = 1000
"""Keys deleted with one chunk at most."""
_MOST_SWEPT = 4000
"""Users looked at for expiry with one chunk at most."""


class Tombstones:
    """What figures, members and users have expired; the state forgets them before their keys are deleted."""

    def __init__(self, fold: "AggregateFold") -> None:
        self._fold = fold
        self._keys: deque[bytes] = deque()

    def add(self, keys: Iterable[bytes]) -> None:
        """Keys that a recovery found expired."""
        self._keys.extend(keys)

    def next_batch(self, entry: Entry) -> list[bytes]:
        """Expired keys to be deleted now."""
        tombstones, fold = self._keys, self._fold
        if len(tombstones) < _MOST_TOMBSTONES:
            for figure in fold.figures.drop_expired(entry, _MOST_TOMBSTONES):
                if fold.figures.is_written(figure):
                    tombstones.append(b"f" + figure.id)
                tombstones.extend(self._beside(figure))
            tombstones.extend(pending_key(company) for company in fold.figures.drop_pending(entry))
            tombstones.extend(bounds_key(company) for company in fold.bounds.drop_expired(entry.closing_watermark))
            swept = fold.activity.drop_expired(entry.event_watermark, _MOST_SWEPT)
            tombstones.extend(user_key(company, user) for company, user in swept)
        deleted = [tombstones.popleft() for _ in range(min(_MOST_TOMBSTONES, len(tombstones)))]
        deleted += fold.members.dead(_MOST_TOMBSTONES - len(deleted))
        return [key for key in deleted if not self._is_alive(key, entry)]

    def _beside(self, figure: Figure) -> Iterable[bytes]:
        """What the state held beside a figure that has expired."""
        metric = figure.window.metric
        if metric.distinct is Distinct.SOURCE:
            return self._fold.members.forget(figure.id)
        if metric.kind is Kind.GAUGE:
            return self._fold.gauges.forget(figure.window)
        return self._fold.distributions.forget(figure) if metric.kind is Kind.DISTRIBUTION else ()

    def _is_alive(self, key: bytes, entry: Entry) -> bool:
        """Whether a user or a company came back after expiry; windows cannot."""
        if key[:1] == b"w":
            return key[1:].decode() in self._fold.figures.pending
        if key[:1] == b"x":
            return self._fold.bounds.has(key[1:].decode())
        if key[:1] != b"a":
            return False
        company, user = key[1:].split(b"|", 1)
        return self._fold.activity.is_alive(company.decode(), user, entry.event_watermark)
