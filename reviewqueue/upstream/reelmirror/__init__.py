"""The client of ReelMirror: ReelMirror (client.py), its types (types.py), its operations (operations.py)."""

from reviewqueue.upstream.reelmirror.client import ReelMirror
from reviewqueue.upstream.reelmirror.operations import ALL_SCOPES, OPERATIONS, SCOPES

__all__ = ["ALL_SCOPES", "OPERATIONS", "SCOPES", "ReelMirror"]
