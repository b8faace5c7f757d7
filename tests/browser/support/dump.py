"""Prints all tables of a SQLite file as JSON: columns, and rows in a fixed order with each value's storage class."""

import json
import sqlite3
import sys


def text(value):
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return "blob:" + value.hex()
    return f"{type(value).__name__}:{value!r}"


connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
tables = connection.execute(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%' ORDER BY name"
).fetchall()
result = {}
for (table,) in tables:
    quoted = '"' + table.replace('"', '""') + '"'
    cursor = connection.execute(f"SELECT * FROM {quoted}")
    columns = [column[0] for column in cursor.description]
    result[table] = {"columns": columns, "rows": sorted([text(value) for value in row] for row in cursor)}
json.dump(result, sys.stdout)
