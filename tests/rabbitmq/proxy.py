"""A TCP proxy of the tests' own before RabbitMQ: it cuts connections, or lets nothing through any more."""

import asyncio
import contextlib
import threading


class Proxy:
    """Listens on `port` of this machine; a thread of its own."""

    def __init__(self, target_port):
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._writers = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._started.wait(10)

    def cut(self):
        """End all connections with a reset; new ones are taken."""
        self._call(self._cut)

    def hold(self):
        """Let nothing through, in neither direction, and end nothing: a partition."""
        self._call(self._open.clear)

    def release(self):
        """Let what was held go on."""
        self._call(self._open.set)

    def close(self):
        """End."""
        self._call(self._end.set)
        self._thread.join()

    def _call(self, what):
        self._loop.call_soon_threadsafe(what)

    def _cut(self):
        for writer in list(self._writers):
            writer.transport.abort()

    def _run(self):
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self):
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._end.wait()
        self._open.set()
        server.close()
        self._cut()
        pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _join(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            for each in (writer, far_writer):
                self._writers.discard(each)
                each.transport.abort()

    async def _pump(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
