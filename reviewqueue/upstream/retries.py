"""How often reads may be tried again: a share of those made, so a service in trouble is not asked more often.

A small reserve lets the first read that fails be tried to the end. Under a service that is away the reserve
is soon used up, and from then on only one read in ten is tried once more.
"""

import threading

SHARE = 0.1  # of the reads made
RESERVE = 3.0  # at the beginning: one read tried four times
SAVED_AT_MOST = 10.0


class RetryBudget:
    """Of one key in one process. Safe to share between threads."""

    def __init__(self, *, share: float = SHARE, reserve: float = RESERVE, most: float = SAVED_AT_MOST):
        self._share = share
        self._left = reserve
        self._most = most
        self._lock = threading.Lock()

    def earn(self) -> None:
        """A read is made."""
        with self._lock:
            self._left = min(self._most, self._left + self._share)

    def take(self) -> bool:
        """May one more attempt be made? It is counted if so."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True
