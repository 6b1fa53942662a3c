"""Dead letters: events that nobody took, kept until somebody looks at them, and brought back if they can be.

letter    what arrives at the sink, and what is kept of it (pure)
kept      a letter that waits: reason, category, age, and the event that a replay publishes (pure)
query     which letters are meant (pure)
store     where letters are kept: the ports, and the errors of them
clerk     lists, shows, replays and purges them; the rules of the schedule
rabbitmq  RabbitMQ's queue as that store
desk      the same queue gone through letter by letter
"""
