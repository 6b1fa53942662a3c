"""What the user sees of an operation: engine events in, a model, texts out.

`board` is the model, `words` Pulumi's vocabulary, `diff` what changes and why; `tree` and `report` turn the
model into text; `views` are the shells around it for a terminal, for a log and for programs. Only `views`
knows streams.
"""
