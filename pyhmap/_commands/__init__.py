"""The verbs of `python -m pyhmap`, one module each.

output        what the verbs share: refusals, tables, the line of progress
inspect       the header of a file
check         whether a file is damaged
stats         what is in a file
sources       Parquet, CSV and Arrow files, column by column
build         a file from such a source
leakcheck     whether a function leaks

A verb adds itself to the parser (``add_to``) and runs (``run``), which returns the exit status.
"""
