"""Whether this process was told to end. The worker's processes are forked from the one that is told.

A handler of signals may do nothing but set it. It runs between any two steps of the main thread, also of
another handler: an event's lock would be waited for by whoever holds it.
"""

import signal
from multiprocessing import RawValue

# Without a lock: a process that is killed while it holds one would stop all the others.
told = RawValue("b", False)


def listen(*signals: signal.Signals) -> None:
    """From now on, these signals tell this process to end."""
    for name in signals:
        signal.signal(name, tell)


def tell(*_) -> None:
    told.value = True
