"""The commands of the local platform: what they print is here, what they do is in the modules beside it."""

import asyncio
import contextlib
import json
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from automation.languages import detect
from local import guide, toolchains
from local.addresses import Addresses
from local.client import Client
from local.deploy import DeployFailed, Deployment, Example
from local.ports import FIXED_PORTS
from local.progress import Phase, Timeline, duration, phase_table, renderer
from local.session import ROOT, Session, StartFailed, admin_token
from local.spectator import Spectator

WORK = ROOT / ".local"
CACHE = WORK / "cache"
EXAMPLES = ROOT / "examples"


def examples(console: Console) -> list[Example]:
    """The parsers that `run` and `demo` deploy; those whose language is not here are left out with a line."""
    folders = [folder for folder in sorted(EXAMPLES.iterdir()) if (folder / "event.json").exists()]
    languages = {folder: detect([path.name for path in folder.iterdir()]).language.name for folder in folders}
    for language, why in toolchains.missing().items():
        names = ", ".join(folder.name for folder in folders if languages[folder] == language)
        console.print(f"  left out: {names} ({language}), for {why}", highlight=False)
    return [Example.load(folder) for folder in folders if languages[folder] not in toolchains.missing()]


async def demo(console: Console, work: Path = WORK) -> int:
    """Deploy, call and delete every example once. Returns 0 only if every answer is right."""
    began = time.monotonic()
    session = Session(data=work / "demo", cache=work / "cache")
    failed: list[str] | None = None
    try:
        console.print(
            "Knative Lambda demo: code in a bucket becomes functions that answer, then they are deleted."
        )
        addresses = await _start(session, console)
        async with Client(addresses, session.token) as client, Spectator(client) as spectator:
            deployments = await _deploy_all(client, spectator, examples(console), console, once=True)
        _report(deployments, console)
        failed = [d.timeline.failure for d in deployments if d.timeline.failure]
        console.print(
            f"\n[red]failed[/red]: {len(failed)} of {len(deployments)}; logs: {session.data}"
            if failed
            else f"\n[green]ok[/green]: every answer is right; {duration(time.monotonic() - began)} in all"
        )
        return 1 if failed else 0
    except StartFailed as error:
        console.print(f"[red]failed[/red]: {error}", markup=True)
        return 1
    finally:
        await session.stop()
        if failed == []:  # otherwise the logs are worth keeping
            shutil.rmtree(session.data, ignore_errors=True)


async def run(console: Console, work: Path = WORK) -> int:
    """Start everything, deploy the examples, print what to try next, and stay until Ctrl-C."""
    session = Session(data=work / "run", cache=work / "cache", ports=FIXED_PORTS, desk=True)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        job = asyncio.create_task(_run(session, console, stopped))
        stop = asyncio.create_task(stopped.wait())
        await asyncio.wait({job, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not job.done():
            job.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            return await job
        return 0
    finally:
        console.print("\nstopping every process that was started …")
        await session.stop()
        console.print("stopped")


async def _run(session: Session, console: Console, stopped: asyncio.Event) -> int:
    try:
        addresses = await _start(session, console)
    except StartFailed as error:
        console.print(f"[red]failed[/red]: {error}")
        return 1
    async with Client(addresses, session.token) as client:
        async with Spectator(client) as spectator:
            deployments = await _deploy_all(client, spectator, examples(console), console, once=False)
        _report(deployments, console)
    _next_steps(addresses, console)
    await stopped.wait()
    return 0


async def deploy(console: Console, folder: Path, work: Path = WORK) -> int:
    """Deploy one folder to the platform that `run` keeps, and call it."""
    addresses = _running(work)
    async with Client(addresses, admin_token(addresses)) as client, Spectator(client) as spectator:
        deployments = await _deploy_all(client, spectator, [Example.load(folder)], console, once=False)
    _report(deployments, console)
    return 1 if deployments[0].timeline.failure else 0


def _running(work: Path) -> Addresses:
    try:
        return Addresses.load(work / "run")
    except FileNotFoundError:
        raise DeployFailed("no platform is running: start one with `make run` in another terminal") from None


async def _start(session: Session, console: Console) -> Addresses:
    began = time.monotonic()

    def report(part: str) -> None:
        console.print(f"  {duration(time.monotonic() - began):>8}  starting the {part} …", highlight=False)

    addresses = await session.start(report)
    console.print(f"  {duration(time.monotonic() - began):>8}  ready", highlight=False)
    return addresses


async def _deploy_all(
    client: Client, spectator: Spectator, chosen: Sequence[Example], console: Console, *, once: bool
) -> list[Deployment]:
    """Take the examples through their phases side by side; a failure of one leaves the others alone."""
    with renderer(console) as show:
        deployments = [Deployment(example, client, spectator, show.update) for example in chosen]

        async def one(deployment: Deployment) -> None:
            with contextlib.suppress(DeployFailed):  # its timeline says so
                await deployment.deploy()
                await deployment.call()
                await deployment.call(Phase.WARM)
                if once:
                    await deployment.delete()

        await asyncio.gather(*(one(deployment) for deployment in deployments))
    return deployments


def _report(deployments: Sequence[Deployment], console: Console) -> None:
    console.print()
    console.print(phase_table(_timelines(deployments)))
    console.print()
    for deployment in deployments:
        if deployment.timeline.failure:
            console.print(f"[red]{deployment.example.parser_id} failed[/red]: {deployment.timeline.failure}")
        else:
            answer = json.dumps(deployment.answer)
            console.print(f"{deployment.example.parser_id} answered {answer}", markup=False, soft_wrap=True)


def _timelines(deployments: Sequence[Deployment]) -> list[Timeline]:
    return [deployment.timeline for deployment in deployments]


def _next_steps(addresses: Addresses, console: Console) -> None:
    console.print("\n[bold]It runs.[/bold] Addresses, all on this machine only:", highlight=False)
    for name, value in guide.addresses_of(addresses).items():
        console.print(f"  {name:<20} {value}", markup=False, highlight=False, soft_wrap=True)
    console.print("\n[bold]Next, try:[/bold]")
    for text, command in guide.next_steps(addresses):
        console.print(f"\n  [green]# {text}[/green]", highlight=False)
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)
    console.print("\nCtrl-C stops everything.")
