"""An async handler that waits as long as it is told to, and can be stopped."""

import asyncio


async def handler(event, context):
    try:
        await asyncio.sleep(event["seconds"])
    except asyncio.CancelledError:
        print("stopped", flush=True)
        raise
    return {"waited": event["seconds"]}
