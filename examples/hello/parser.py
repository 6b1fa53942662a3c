"""The smallest parser: what the event brings comes back in a greeting."""


def handler(event):
    name = event.get("name", "world")
    return {"greeting": f"Hello, {name}!", "received": event}
