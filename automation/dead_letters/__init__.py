"""Dead letters: events that nobody took, kept until somebody looks at them.

letter    what arrives at the sink, and what is kept of it (pure)
store     where letters are kept: the port, and the errors of it
rabbitmq  RabbitMQ's queue as that store
"""
