"""Takes the event alone, and gives its data back."""


def handler(event):
    return {"data": event.data}
