"""What turns a parser into a function: one folder a language, each free of dependencies.

The folders are build inputs: automation copies them into build contexts, nothing imports them.
"""
