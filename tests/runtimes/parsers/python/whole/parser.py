"""Reads source, type and data from its argument."""


def handler(event):
    return {
        "source": event["source"],
        "type": event["type"],
        "subject": event.get("subject"),
        "data": event["data"],
    }
