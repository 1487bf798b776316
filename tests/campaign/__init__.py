"""The crash campaign: the real program over a real socket to a service that misbehaves, processes killed at
random, and afterwards the books of both sides compared. `python -m tests.campaign --help`.
"""
