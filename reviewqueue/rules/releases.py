"""Two releases may run at once, during a deploy: what the newer one writes is shown by the older one, too."""

from collections.abc import Callable


class Known(dict):
    """A table of what this release knows. Looked up, what a newer one added is `otherwise(name)`; asked what
    is in it, it tells only of this release, so nothing else is acted on.
    """

    def __init__(self, table: dict, otherwise: Callable):
        super().__init__(table)
        self.otherwise = otherwise

    def __missing__(self, name: str):
        return self.otherwise(name)


def words(name: str) -> str:
    """A name from the database, read out: “post.scheduled” is “post scheduled”."""
    return name.replace(".", " ").replace("_", " ")
