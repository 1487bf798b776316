"""Whether the worker was told to end. Its processes are forked from the one that is told, and share this."""

from multiprocessing import RawValue

# Without a lock: a process that is killed while it holds one would stop all the others.
told = RawValue("b", False)
