"""Put on PYTHONPATH by the campaign alone: the sender dies between the answer and the commit, by chance.

`CAMPAIGN_SELF_KILL` is the share of the answers that are lost so. It wraps `operations.record` at its import.
"""

import importlib.util
import os
import random
import signal
import sys

MODULE = "reviewqueue.services.operations"
SHARE = float(os.environ.get("CAMPAIGN_SELF_KILL") or 0)


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != MODULE:
            return None
        sys.meta_path.remove(Finder)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            module.record = mortal(module.record)

        spec.loader.exec_module = exec_module
        return spec


def mortal(record):
    chance = random.Random(os.urandom(8))

    def recorded(*arguments, **options):
        if chance.random() < SHARE:
            os.kill(os.getpid(), signal.SIGKILL)
        return record(*arguments, **options)

    return recorded


if SHARE:
    sys.meta_path.insert(0, Finder)
