"""What the served kinds look like: field names, types, list keys; data files and their reader.

`builtin.json` is extracted from a real API server's own description (`python -m
local.apiserver.schemas.extract`); `custom.json` is written by hand after the custom resource definitions of
Knative and RabbitMQ.
"""
