"""``footfall up``: the real broker and both workers for development, until Ctrl-C."""

import asyncio
import datetime as dt
import shlex
import signal
import time

import typer

from pipeline.broker.resolving import BrokerChoice
from pipeline.broker.secured import Secured
from pipeline.cli.show import bar, console
from pipeline.kafka.connection import Security
from pipeline.settings.env import as_environment
from pipeline.settings.settings import KEY_FIELDS, SECRETS, Settings, load_settings
from pipeline.stack import Stack, running_stack, up_folder
from schemas.flow import ROLES

__all__ = ["BROKER_HELP", "lively", "up"]

BROKER_HELP = "auto: that of FOOTFALL_BROKERS, else a container where Docker answers, else the embedded one."

_OWN = {"BROKERS"} | {name.upper() for name in KEY_FIELDS if name.endswith("_file")}
"""Settings that are up's own where they are not set, and are told in any case."""


def up(
    emit_interval: float | None = typer.Option(
        None, min=1, help="Seconds between emissions to the sink; 1 where FOOTFALL_EMIT_INTERVAL is not set."
    ),
    announce: bool = typer.Option(False, "--announce", help="Go on although release or settings changed."),
    broker: BrokerChoice = typer.Option(BrokerChoice.AUTO, help=BROKER_HELP),
    secure: bool = typer.Option(
        False,
        "--secure",
        help="On the embedded broker let everybody log in over TLS as one of the roles, each with rights of its own.",
    ),
) -> None:
    """Find or start a broker, the topics and both workers, print their addresses, and keep them until Ctrl-C.

    Data stays in FOOTFALL_DATA_DIR (.footfall), so the next start goes on with it. Both workers have all the settings
    that are set here. A partition where nothing happens closes all past months five minutes after the start: what is
    published of them later counts as corrections.
    """
    given = load_settings() if emit_interval is None else load_settings(emit_interval=emit_interval)
    asyncio.run(_up(given, lively(given), announce=announce, choice=broker, secure=secure))


def lively(settings: Settings) -> Settings:
    """``settings`` that emit every second where nothing says how often."""
    if "emit_interval" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"emit_interval": dt.timedelta(seconds=1)})


async def _up(given: Settings, settings: Settings, *, announce: bool, choice: BrokerChoice, secure: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    folder = up_folder(settings, secure=secure)
    with bar("broker", to_stderr=True) as report:
        running = running_stack(settings, folder, report, announce=announce, choice=choice, kept=True, secure=secure)
        stack = await running.__aenter__()
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        _print_started(given, stack)
        while not stop.is_set():
            for worker in stack.workers:
                if worker.process.poll() is not None:
                    raise worker.ended()
            try:
                await asyncio.wait_for(stop.wait(), 0.5)
            except TimeoutError:
                continue
        console.print("stopping")
    finally:
        await running.__aexit__(None, None, None)


def _print_started(given: Settings, stack: Stack) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    say(f"broker     {stack.brokers} ({stack.broker.line})")
    for worker in stack.workers:
        say(f"{worker.kind:<10} {worker.metrics_url}")
    say(f"logs       {stack.folder / 'logs'}")
    if given.brokers not in (None, stack.brokers):
        say(f"FOOTFALL_BROKERS={given.brokers} is not used here: --broker asks for another.")
    if not stack.broker.given and given.security() != Security():
        say("FOOTFALL_SECURITY_PROTOCOL and what belongs to it are of other brokers, and are not used here.")
    if stack.broker.access is not None:
        for role, line in logins(stack.broker.access).items():
            say(f"{role:<10} {line}")
    say("In another terminal, as the operator:" if stack.broker.access else "In another terminal:")
    say(f"  export {exported(given, stack.settings)}")
    for name in _secrets(stack.settings):
        say(f"  and FOOTFALL_{name} as it is set here")
    say("  footfall simulate --publish; footfall watch; footfall verify; footfall doctor")
    month = time.strftime("%Y-%m-01T00:00:00Z", time.gmtime())
    say(f"  footfall explain 'acme|user_messages|P1M|{month}|'; footfall audit")
    say("Ctrl-C stops all of it.")


def exported(given: Settings, running: Settings) -> str:
    """What another terminal must set to ask about what runs, as a shell reads it; never a secret."""
    reached = {name.upper(): default for name, default in given.no_security().items()}
    own = _OWN | {name for name, default in reached.items() if getattr(running, name.lower()) != default}
    known = as_environment(given) | {name: text for name, text in as_environment(running).items() if name in own}
    wanted = own.union({name.upper() for name in given.model_fields_set} - reached.keys()).difference(_secrets(running))
    return " ".join(f"FOOTFALL_{name}={shlex.quote(text)}" for name, text in known.items() if name in wanted)


def logins(access: Secured) -> dict[str, str]:
    """What each role sets to log in, as a shell reads it; passwords stay in their files."""
    return {
        role: " ".join(
            f"FOOTFALL_{name.upper()}={shlex.quote(str(value))}" for name, value in access.settings(role).items()
        )
        for role in ROLES
    }


def _secrets(settings: Settings) -> list[str]:
    """The settings that hold a secret themselves, or may, in upper case."""
    return [name.upper() for name in SECRETS if getattr(settings, name) is not None]
