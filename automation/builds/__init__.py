"""What is known of builds beyond their functions' stacks: entries by id and time, and their logs.

The stack of a function remembers its latest build only, and a Job's pod takes its log away. What is kept here
is for people: losing it changes no decision.

Modules, lowest first: `entry` (a build as it is kept, pure), `lines` (a log's bytes as numbered lines, pure),
`ports`, `archive` (entries and logs as objects), `keeper` (keeps what changes), `catalogue` (answers
questions), `following` (one reader's way through a log), `facade` (the last two for an event loop).
"""
