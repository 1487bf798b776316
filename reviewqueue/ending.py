"""How processes are told to end. The worker's are forked from the one that is told, and share what it knows.

A handler of signals may do nothing but set it. It runs between any two steps of the main thread, also of
another handler: an event's lock would be waited for by whoever holds it.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import RawValue

PR_SET_PDEATHSIG = 1

# Without a lock: a process that is killed while it holds one would stop all the others.
told = RawValue("b", False)


def listen(*signals: signal.Signals) -> None:
    """From now on, these signals tell this process to end."""
    for name in signals:
        signal.signal(name, tell)


def tell(*_) -> None:
    told.value = True


def dies_with_us(how: int = signal.SIGTERM) -> Callable[[], None]:
    """For `preexec_fn`. Linux: the child gets this signal when the thread that starts it is gone."""
    if sys.platform != "linux":
        return lambda: None
    us, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, how)
        if os.getppid() != us:  # gone already
            os._exit(1)

    return bind
