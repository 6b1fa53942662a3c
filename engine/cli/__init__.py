"""The command line of the engine: Pulumi's words, files and exit codes over `engine.Engine`.

`main` is the entry. The parts: `arguments` and `flags` (the words), `project`, `stackfile`, `values`,
`configuration` and `workspace` (the files and what they mean), `session` (what one command works with),
`operations`, `stack_commands` and `config_commands` (what they do), `display` (what the user sees).
"""

from engine.cli.main import main

__all__ = ["main"]
