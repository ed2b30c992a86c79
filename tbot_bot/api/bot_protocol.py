"""What runner and bot say to each other over the descriptor the bot inherits: one JSON object a line.

The bot asks (`id` counts its questions) and acts only after the runner's answer: an intent is durable, an execution
is posted, before the answer goes out. The runner tells; tells have no answer. End of file means the other is gone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from tbot_bot.api.model import Message


class WireOrder(Message):
    """domain.orders.Order."""

    client_order_id: str
    broker_order_id: str
    symbol: str
    side: str
    quantity: str
    type: str
    status: str
    filled: str
    limit_price: str | None
    stop_price: str | None
    updated_at: str
    parent_client_order_id: str | None = None
    reason: str | None = None


class WireExecution(Message):
    """domain.orders.Execution."""

    execution_id: str
    sequence: int
    client_order_id: str
    symbol: str
    side: str
    quantity: str
    price: str
    fee: str
    at: str
    busts: str | None = None


class WireIntent(Message):
    """domain.intents.OrderIntent."""

    book: str
    strategy: str
    symbol: str
    side: str
    quantity: str
    role: str
    type: str
    session_day: str
    number: int
    reason: str
    decided_at: str
    limit_price: str | None = None
    stop_price: str | None = None
    target_price: str | None = None
    attempt: int = 1
    trade_id: str | None = None
    joins: str | None = None
    cause: str | None = None
    asked_price: str | None = None


class WireTrade(Message):
    """An open trade as the books have it."""

    trade_id: str
    symbol: str
    strategy: str
    side: str
    quantity: str
    entry_price: str
    stop_price: str | None
    target_price: str | None
    number: int
    session_day: str
    opened_at: str


# --- the bot asks -----------------------------------------------------------------------------------------------


class AskIntent(Message):
    """May this order be sent? Recorded durably and judged by the gate before the answer."""

    kind: Literal["intent"] = "intent"
    id: int
    intent: WireIntent


class TellSubmission(Message):
    """What became of a submission: `order` as the broker has it; refused with a reason; or unknown (both None)."""

    kind: Literal["submission"] = "submission"
    id: int
    client_order_id: str
    order: WireOrder | None = None
    refused: str | None = None


class TellOrder(Message):
    """An order changed at the broker."""

    kind: Literal["order"] = "order"
    id: int
    order: WireOrder


class TellExecution(Message):
    """A fill."""

    kind: Literal["execution"] = "execution"
    id: int
    execution: WireExecution


class TellMarket(Message):
    """Heartbeat, about each market minute or wall second: market time, session, window, marks by symbol.

    Of the broker: whether it answers, what became of the calls since the last heartbeat, and when its newest bar ended;
    `missing_minutes` of the session came without a bar.
    """

    kind: Literal["market"] = "market"
    id: int
    market_time: str
    session_day: str | None
    session_open_at: str | None
    session_close_at: str | None
    is_open: bool
    strategy: str | None
    window: str
    marks: dict[str, str]
    broker_ok: bool
    broker_error: str | None = None
    answers_ms: list[int] = Field(default_factory=list)
    unanswered: int = 0
    newest_bar_at: str | None = None
    missing_minutes: int = 0


class TellSession(Message):
    """A session opened or closed, or the feed ended."""

    kind: Literal["session"] = "session"
    id: int
    what: Literal["opened", "closed", "ended", "gap"]
    day: str | None
    at: str
    reason: str = ""


class TellNoTrade(Message):
    """Why a symbol was not traded."""

    kind: Literal["no_trade"] = "no_trade"
    id: int
    session_day: str
    strategy: str
    symbol: str
    stage: str
    check: str
    reason: str
    at: str


class TellError(Message):
    """An error; the last one is shown and logged. Its traceback, where there is one, is in the bot's own log line."""

    kind: Literal["error"] = "error"
    id: int
    error_kind: str
    message: str


FromBot = Annotated[
    AskIntent | TellSubmission | TellOrder | TellExecution | TellMarket | TellSession | TellNoTrade | TellError,
    Field(discriminator="kind"),
]
FROM_BOT: TypeAdapter[FromBot] = TypeAdapter(FromBot)


# --- the runner answers and tells -------------------------------------------------------------------------------


class Answer(Message):
    """The answer to question `id`: done, or `refused` with a reason. `trades` follow an execution.

    `check` names the rule that refused an intent; the runner itself where no rule spoke.
    """

    kind: Literal["answer"] = "answer"
    id: int
    refused: str | None = None
    check: str = "runner"
    trades: list[WireTrade] | None = None


class Begin(Message):
    """First line the bot reads: who it is, where its broker is, what to trade by, where the books stand.

    `armed` names the file that must exist and be readable before every order. `counts` are trades already made,
    by `session_day/strategy/symbol`, so that client order ids go on counting.
    """

    kind: Literal["begin"] = "begin"
    identity: dict[str, str]
    broker: dict[str, str]
    settings: dict[str, object]
    armed: str
    log_directory: str
    execution_cursor: int


class Run(Message):
    """Trade: boot reconciliation is clean. `trades` are open ones to take over."""

    kind: Literal["run"] = "run"
    paused: bool
    trades: list[WireTrade]
    counts: dict[str, int]
    float_allocation: str
    trades_today: int


class Halt(Message):
    """Send nothing more until the next Run; `cancel_entries` asks to cancel working entries first."""

    kind: Literal["halt"] = "halt"
    reason: str
    cancel_entries: bool


class Pause(Message):
    """No new entries (or again); exits are managed all the same."""

    kind: Literal["pause"] = "pause"
    paused: bool
    reason: str


class PauseStrategies(Message):
    """No new entries of these strategies, by name with the reason; of all others again."""

    kind: Literal["pause_strategies"] = "pause_strategies"
    reasons: dict[str, str]


class Float(Message):
    """The float for the session that begins."""

    kind: Literal["float"] = "float"
    float_allocation: str
    trades_today: int


ToBot = Annotated[Answer | Begin | Run | Halt | Pause | PauseStrategies | Float, Field(discriminator="kind")]
TO_BOT: TypeAdapter[ToBot] = TypeAdapter(ToBot)
