"""What the platform tells of itself: derived with each decision, recorded with it, sent after it.

    emission      Emission, an event that is to be sent (pure)
    derivation    two states of a function and what led from one to the other in, emissions out (pure)
    lifecycle     what the events of builds, functions and services say (pure)
    notices       what alerts, audit events and callbacks say (pure)
    cdevents      the same facts as CDEvents (pure)
    messages      emissions in, HTTP requests out (pure)
    breaker       whether a sink that failed is worth a try (pure, with a clock)
    relay         sends in threads of its own, and remembers what is to be looked at again
    outbox        what the runner uses of all that

The record of the function is the only queue: whatever the relay remembers may be lost at any moment.
"""
