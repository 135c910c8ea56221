#!/usr/bin/env python3
"""Infers column types from the CSV with a header row on standard input.

The whole file decides each column's type: integer, bigint, double precision, boolean (only the
words true, false, t, f) or text; an empty field is NULL. Writes three lines: the column definitions
and the quoted column names, both ready to stand between parentheses, and the number of rows.
"""

import csv
import itertools
import re
import sys

INTEGER = re.compile(r"[ \t]*[+-]?(0|[1-9][0-9]*)[ \t]*")
NUMBER = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*")
# Zero-padded digits are codes (a postcode, an account); as numbers they would lose their zeros.
PADDED = re.compile(r"[ \t]*[+-]?0[0-9]+[ \t]*")
NOT_FINITE = {"nan", "inf", "-inf", "infinity", "-infinity"}
BOOLEAN = {"true", "false", "t", "f"}
# Enough rows that most values of a block repeat, few enough to stay small in memory.
BLOCK_ROWS = 20_000


def kinds(value):
    """The column types that can hold `value`, widest last."""
    if INTEGER.fullmatch(value):
        number = int(value)
        if -(2**31) <= number < 2**31:
            return {"integer", "bigint", "double precision", "text"}
        if -(2**63) <= number < 2**63:
            return {"bigint", "double precision", "text"}
        return {"double precision", "text"}
    if NUMBER.fullmatch(value) and not PADDED.fullmatch(value):
        number = float(value)
        # PostgreSQL refuses what a double cannot hold.
        overflows = number in (float("inf"), float("-inf"))
        underflows = number == 0 and re.search("[1-9]", re.split("[eE]", value)[0])
        return {"text"} if overflows or underflows else {"double precision", "text"}
    word = value.strip(" \t").lower()
    if word in BOOLEAN:
        return {"boolean", "text"}
    if word in NOT_FINITE:
        return {"double precision", "text"}
    return {"text"}


class Column:
    """What one column may still be, narrowed block by block."""

    NARROWEST_FIRST = ("integer", "bigint", "boolean", "double precision", "text")

    def __init__(self, name):
        self.name = name
        self.possible = set(self.NARROWEST_FIRST)
        self.known = set()
        self.has_finite = False

    def add(self, values):
        """Takes the values of one block."""
        if self.possible == {"text"}:
            return
        for value in set(values) - self.known:
            if value == "":
                continue
            self.possible &= kinds(value)
            self.has_finite |= value.strip(" \t").lower() not in NOT_FINITE
            if len(self.known) < BLOCK_ROWS:
                self.known.add(value)

    def type(self):
        """The narrowest type that holds every value; text for a column of nothing but NULL."""
        if not self.has_finite:
            return "text"
        return next(kind for kind in self.NARROWEST_FIRST if kind in self.possible)


def quoted(name):
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def fail(message):
    sys.exit(f"infer_columns.py: {message}")


def main():
    csv.field_size_limit(2**30)
    # Whether the bytes are valid text is for the server to say, in its own encoding.
    source = open(0, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(source, strict=True)
    header = next(reader, None)
    if not header:
        fail("the file is empty")
    if "" in header or len(set(header)) < len(header):
        fail("a column name is empty or used twice")
    if any("\n" in name for name in header):
        fail("a column name has a line break in it")
    columns = [Column(name) for name in header]
    rows = 0
    while block := list(itertools.islice(reader, BLOCK_ROWS)):
        if {len(row) for row in block} != {len(columns)}:
            fail(f"a row near line {reader.line_num} does not have {len(columns)} fields")
        for column, values in zip(columns, zip(*block)):
            column.add(values)
        rows += len(block)
    print(", ".join(f"{quoted(column.name)} {column.type()}" for column in columns))
    print(", ".join(quoted(column.name) for column in columns))
    print(rows)


if __name__ == "__main__":
    try:
        main()
    except csv.Error as error:
        fail(f"not well-formed CSV: {error}")
