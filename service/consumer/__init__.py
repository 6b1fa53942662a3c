"""Events straight from RabbitMQ, for installations without Knative Eventing. `python -m service.consumer`."""
