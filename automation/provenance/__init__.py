"""Where what runs comes from: event, code, Job, image and stack update of every revision, and the way back.

Forward it is read from the function's record. Back, from a digest or an event to revisions, it is looked up
in the bucket, where every chain is kept under each of its ends: no stack is read for that.

Modules, lowest first: `chain` (what led to one revision, pure), `statement` (the same of a build, as in-toto
and SLSA write it, pure), `envelope` (signed statements), `sboms` (from a scanner's log), `ledger` (all of it
as objects), `keeper` (keeps what changes), `evidence` (answers questions).
"""
