"""The bot process: `python -m tbot_bot.control.bot --fd N`, where N is a connected socket inherited from the runner.

It opens no database and no key. When the runner is gone, or on SIGTERM or SIGINT, it asks to cancel its working
entries, leaves protective orders alone and ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from tbot_bot.api.bot_protocol import Begin
from tbot_bot.api.private_memory import keep_memory_private
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.brokers.registry import broker_kind
from tbot_bot.brokers.setup import BrokerSetup
from tbot_bot.control.bot_link import LineChannel, RunnerLink
from tbot_bot.control.bot_loop import BotLoop
from tbot_bot.control.clock import WallClock
from tbot_bot.control.exit_codes import UNHELPABLE
from tbot_bot.domain.broker import Broker, BrokerUnavailableError
from tbot_bot.monitoring.log_book import set_up
from tbot_bot.strategies.registry import in_sequence, parse_parameters
from tbot_bot.trading.execution_port import RunnerGoneError
from tbot_bot.trading.kill_switch import KillSwitch
from tbot_bot.trading.strategy_router import StrategyRouter

log = structlog.get_logger("bot")
#: How long to try to cancel entries at a broker that does not answer, before ending all the same.
LAST_TRIES = 10
LAST_TRY_PAUSE_S = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until the runner is gone or a signal comes.

    Returns 0 then, UNHELPABLE when Begin makes no sense, 1 after an error that was not expected.
    """
    parser = argparse.ArgumentParser(
        prog="tbot_bot.control.bot", description="The trading loop; started by the runner."
    )
    parser.add_argument("--fd", type=int, required=True, help="descriptor of a socket connected to the runner")
    options = parser.parse_args(arguments)
    keep_memory_private()
    set_up(_write_line, WallClock(), "bot")
    is_ending = _end_on_signals()
    with socket.socket(fileno=options.fd) as connection:
        return _serve(RunnerLink(LineChannel(connection), time.monotonic), is_ending)


def _serve(link: RunnerLink, is_ending: Callable[[], bool]) -> int:
    try:
        begin = link.begin()
        broker = connect(begin.broker)
        loop = compose(begin, broker, link)
    except RunnerGoneError as error:
        log.warning("ended before it began", reason=str(error))
        return 0
    except (LookupError, ValueError) as error:  # what the runner said cannot be traded by; it has to know why
        log.exception("the bot cannot begin")
        _tell_last(link, error)
        return UNHELPABLE
    try:
        return _run(loop, link, is_ending)
    finally:
        let_go(loop)
        broker.close()


def connect(described: Mapping[str, str]) -> Broker:
    """Return the broker that Begin describes: `code`, `socket` of the simulated market, and its kind's credentials."""
    kind = broker_kind(described["code"])
    credentials = {credential.key: described[credential.key] for credential in kind.credentials}
    return kind.connect(BrokerSetup(credentials, Path(described["socket"])))


def compose(begin: Begin, broker: Broker, link: RunnerLink) -> BotLoop:
    """Put the loop together from what Begin says."""
    settings = TradingSettings.model_validate(begin.settings)
    return BotLoop(
        broker,
        link,
        StrategyRouter(in_sequence(settings.sequence), parse_parameters(settings.strategies), settings.candidate_rules),
        KillSwitch(Path(begin.armed).parent).is_armed,
        time.monotonic,
        cursor=begin.execution_cursor,
        risk_fraction=settings.MAX_RISK_PER_TRADE,
        positions_max=settings.MAX_OPEN_POSITIONS,
        slippage=settings.slippage_limits,
    )


def let_go(loop: BotLoop) -> None:
    """Ask to cancel working entries, for about two seconds at most."""
    for _ in range(LAST_TRIES):
        try:
            loop.cancel_entries()
        except BrokerUnavailableError as error:
            log.warning("working entries could not be cancelled yet", reason=str(error))
            time.sleep(LAST_TRY_PAUSE_S)
        else:
            log.info("ended: working entries are cancelled, protective orders stand")
            return
    log.error("ended without a word from the broker: working entries may be left; reconcile", unresolved=True)


def _run(loop: BotLoop, link: RunnerLink, is_ending: Callable[[], bool]) -> int:
    try:
        while not is_ending():
            loop.step()
    except RunnerGoneError as error:
        log.warning("the runner is gone", reason=str(error))
    except Exception as error:  # told to the runner and the log; a new process is the way to recover
        log.exception("the bot fails")
        _tell_last(link, error)
        return 1
    return 0


def _tell_last(link: RunnerLink, error: Exception) -> None:
    try:
        link.tell_error(error)
    except RunnerGoneError as gone:
        log.warning("the runner is gone as well", reason=str(gone))


def _end_on_signals() -> Callable[[], bool]:
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, _frame: received.append(signum))
    return lambda: bool(received)


def _write_line(record: Mapping[str, Any]) -> None:
    line = json.dumps(record, default=str) + "\n"
    with contextlib.suppress(BrokenPipeError):  # the runner that read our log is gone
        os.write(sys.stderr.fileno(), line.encode())


if __name__ == "__main__":
    sys.exit(main())
