"""Formulas about raw tables: what is read, found in all rows, kept, and encoded.

terms reads a formula; given adds what was given beside the table; scan finds levels and
states in one pass over its columns, which scanning runs; recipe is what the result
keeps; source encodes blocks of rows as they are read; design puts these together.
"""
