"""Asks several sources at once, within the time that is left; shows context, logging and chosen errors."""

import asyncio


class SourceBusy(Exception):
    """A source has no answer yet: `retryable` makes the platform deliver the event again."""

    retryable = True


async def handler(event, context):
    sources = event["sources"]
    if not sources:
        raise ValueError("sources is empty; name at least one")
    context.logger.info("asking %d sources", len(sources), extra={"sources": sources})
    async with asyncio.timeout(context.remaining_seconds() / 2):
        answers = await asyncio.gather(*(ask(source) for source in sources))
    return {
        "function": context.function_name,
        "cause": event.type,
        "answers": dict(zip(sources, answers, strict=True)),
    }


async def ask(source):
    """Stand in for a request over the network."""
    await asyncio.sleep(0.01)
    if source == "busy":
        raise SourceBusy(f"{source} is busy; try again later")
    return len(source)
