"""What SQLite's planner is told of the posts, for it finds it out neither by itself nor cheaply.

Told nothing, it takes `posts_newest` for what is ready as soon as the index that holds nothing else, and
walks past all that was decided. `PRAGMA optimize`, or ANALYZE with an `analysis_limit`, leaves it at that: it
looks no further into an index than the limit, and so far both hold the posts of one workspace. ANALYZE
without a limit keeps every writer waiting while it reads (0.4 s of 100,000 posts, and more of more). So the
planner gets the proportions of a workspace in use, as SQLite lets a program do ("Manual Control Of Query
Plans Using SQLITE_STAT Tables"): the plans are the same at every size, and nothing has to be done again.
PostgreSQL gathers its own.
"""

from django.db import connection, transaction

from reviewqueue.models import GeneratedPost

WHOLE, PART = 100_000, 1_000  # rows of an index; what lies with people or is being made is a small part
FEW = {"workspace_id": 1, "upstream": 1, "persona_id": 10, "desk": 10}  # different values; others are unique


@transaction.atomic
def tell() -> None:
    """Write the figures; connections made from now on plan by them, and this one."""
    if connection.vendor != "sqlite":
        return
    table = GeneratedPost._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE sqlite_master")  # of no table of ours: it makes the one for the figures
        cursor.execute("DELETE FROM sqlite_stat1 WHERE tbl = %s", [table])
        lines = [(table, name, figures(columns, rows)) for name, columns, rows in indexes(cursor, table)]
        cursor.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (%s, %s, %s)", lines)
        cursor.execute("ANALYZE sqlite_master")  # read again


def indexes(cursor, table: str) -> list[tuple[str, list[str], int]]:
    """Each index of the table: name, columns, rows."""
    cursor.execute('SELECT name, partial AND NOT "unique" FROM pragma_index_list(%s)', [table])
    found = []
    for name, is_part in cursor.fetchall():
        cursor.execute("SELECT name FROM pragma_index_info(%s) ORDER BY seqno", [name])
        columns = [column for (column,) in cursor.fetchall()]
        found.append((name, columns, PART if is_part else WHOLE))
    return found


def figures(columns: list[str], rows: int) -> str:
    """As ANALYZE writes them: all rows, then how many share a value of the first column, the first two, …"""
    line, left = [rows], rows
    for column in columns:
        left = max(1, left // FEW.get(column, rows))
        line.append(left)
    return " ".join(map(str, line))
