"""The dead letter sink: a process of its own that keeps in RabbitMQ what nobody took.

`python -m service.dead_letters`. It knows nothing of functions and builds, and imports nothing that only
they need.
"""
