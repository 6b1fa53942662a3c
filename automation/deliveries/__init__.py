"""Events from RabbitMQ to the service without Knative Eventing, delivered as its dispatcher would.

binding   a message of AMQP as a request of HTTP, and a reply as a message (pure)
courier   takes events from a queue, posts them, and decides what becomes of them
"""
