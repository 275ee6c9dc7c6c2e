"""How long a worker may write: two thirds of the session timeout after the sending of the last answered heartbeat."""

import threading
import time
from collections.abc import Callable

__all__ = ["Lease", "LeaseLostError"]


class LeaseLostError(Exception):
    """No heartbeat was answered for so long that others may own what this worker owned."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the brokers answered no heartbeat for {seconds:.1f} s, so others may own its partitions by now"
        )


class Lease:
    """Renewed by the group's heartbeats (any thread), watched by a thread of its own (design 2.1, rule 6).

    ``clock`` gives seconds of a clock that goes on while the process is stopped. ``expired`` is called once, from the
    watching thread, when the lease runs out while something is held; batches given to the producer are retried
    without asking us, so it must end the process.
    """

    def __init__(
        self, seconds: float, expired: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._expired = expired
        self._clock = clock
        self._until: float | None = None
        self._finishing = False
        self._closed = threading.Event()

    def sent(self) -> float:
        """The moment a heartbeat goes out; give it to ``answered``."""
        return self._clock()

    def answered(self, sent: float, *, rebalancing: bool = False) -> None:
        """A heartbeat sent at ``sent`` was answered without error; ``rebalancing``: finish the chunk, begin none."""
        until = sent + self._seconds
        self._until = until if self._until is None else max(self._until, until)
        self._finishing = rebalancing

    @property
    def valid(self) -> bool:
        """Whether a batch may be written now."""
        return self._until is not None and self._clock() < self._until

    @property
    def may_begin(self) -> bool:
        """Whether a chunk may be begun now."""
        return self.valid and not self._finishing

    def release(self) -> None:
        """Nothing is held any longer; the lease begins anew with the next heartbeat."""
        self._until = None

    def watch(self) -> threading.Thread:
        """Start the watching thread."""
        thread = threading.Thread(target=self._watch, name="lease", daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """End the watching thread."""
        self._closed.set()

    def check(self) -> bool:
        """Whether the lease has run out; calls ``expired`` then."""
        until = self._until
        if until is None or self._clock() < until:
            return False
        self._until = None
        self._expired()
        return True

    def _watch(self) -> None:
        while not self._closed.wait(self._seconds / 20):
            self.check()
