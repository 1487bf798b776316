"""Whether the worker was told to end. Its processes are forked from the one that is told, and share this."""

from multiprocessing import Event

told = Event()
