"""Each act says beforehand what it would do, in figures from the books."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tbot_bot.api.control import Act
from tbot_bot.api.status import Difference, TieOut
from tbot_bot.domain.defense import Cause, Defense
from tbot_bot.domain.lifecycle import PHASES, Phase, State
from tbot_bot.domain.money import Price
from tbot_bot.trading.preview import PreviewFacts, preview
from tbot_bot.trading.reconciliation import pull
from tests.unit.trading.desk import FRIDAY, MONDAY, desk

NOTHING = PreviewFacts(
    state=State.IDLE,
    paused=False,
    killed=False,
    market_open=True,
    opens_at=None,
    trades=(),
    orders=(),
    marks={},
    name="RIGD_US_SIM_01",
    defense=Defense(),
    defense_factor=Decimal("0.5"),
    tie_out=None,
)
MAIN = {state for state in State if PHASES[state] is Phase.MAIN}
MAY = {
    Act.START: {State.STOPPED},
    Act.PAUSE: {State.STARTED, State.IDLE, State.ANALYZING, State.TRADING, State.MONITORING},
    Act.RESUME: set(),
    Act.STOP: {State.STARTED, State.IDLE, State.ANALYZING, State.TRADING, State.MONITORING},
    Act.KILL: {
        State.STARTED,
        State.IDLE,
        State.ANALYZING,
        State.TRADING,
        State.MONITORING,
        State.UPDATING,
        State.STOPPED,
        State.GRACEFUL,
        State.EMERGENCY,
    },
    Act.CANCEL_CLOSING: {State.GRACEFUL},
    Act.SIGN_RESIDUALS: {State.GRACEFUL, State.EMERGENCY},
    Act.BEGIN_DEFENSE: MAIN,
    Act.END_DEFENSE: set(),
    Act.SIGN_BREAK: set(),
    Act.RESET: {State.ERROR},
}


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> PreviewFacts:
    """A long trade with two legs, a short one without, an entry at work."""
    with desk(tmp_path_factory.mktemp("preview")) as made:
        made.enter("AAA", "buy", "100")
        made.enter("BBB", "sell", "50", bracket=False)
        made.pass_time()
        pull(made.line, made.orders, made.books.clock)
        made.enter("CCC", "buy", "7", bracket=False)
        return replace(
            NOTHING,
            trades=made.orders.records.open_trades(),
            orders=made.orders.records.open_orders(),
            marks={"AAA": Price.of("101.5"), "BBB": Price.of(99), "CCC": Price.of(100)},
        )


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("state", State)
def test_an_act_is_allowed_where_the_lifecycle_has_it(act: Act, state: State) -> None:
    shown = preview(act, replace(NOTHING, state=state))
    assert shown.allowed == (state in MAY[act])
    assert bool(shown.refusal) != shown.allowed
    assert shown.title
    assert shown.sentence.endswith(".")


def test_defense_mode_is_begun_once_and_ended_with_what_is_set_aside() -> None:
    since = datetime(2026, 3, 2, 9, tzinfo=UTC)
    loss = "60 % of the daily loss limit is used"
    active = replace(NOTHING, defense=Defense({Cause.BY_HAND: "news (ada)", Cause.LOSS: loss}, since))
    begun = preview(Act.BEGIN_DEFENSE, NOTHING)
    assert begun.effects[0] == "Entries have 50 % of the float, of the open positions and of the trades."
    assert "already" in preview(Act.BEGIN_DEFENSE, active).refusal
    ended = preview(Act.END_DEFENSE, active)
    assert ended.allowed
    assert ended.effects[0] == f"Set aside until it has been gone: {loss}."
    calm = replace(active, defense=replace(active.defense, calm_since=since))
    assert len(preview(Act.END_DEFENSE, calm).effects) == 1


BROKEN = TieOut(
    subject="7", at="2026-03-02T09:00:00Z", verified=True, clean=False, sentences=["BBB: broker 7, books 0."],
    exceptions=["BBB 7"],
    differences=[Difference(name="BBB", broker="7", books="0", ledger="0", difference="7")],
)  # fmt: skip


def test_a_difference_is_signed_as_it_is_shown() -> None:
    shown = preview(Act.SIGN_BREAK, replace(NOTHING, tie_out=BROKEN))
    assert (shown.allowed, shown.needs_step_up, shown.subject) == (True, True, "7")
    assert shown.effects[:2] == ["BBB: broker 7, books 0.", "Accepted is exactly this: BBB 7."]
    assert preview(Act.PAUSE, replace(NOTHING, tie_out=BROKEN)).subject == ""


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"clean": True}, "nothing to sign"),
        ({"verified": False}, "could not be read"),
        ({"signed_by": "Ada"}, "was signed by Ada"),
    ],
)
def test_what_cannot_be_signed(changes: dict[str, object], refusal: str) -> None:
    found = replace(NOTHING, tie_out=BROKEN.model_copy(update=changes))
    assert refusal in preview(Act.SIGN_BREAK, found).refusal


def test_attributes_refuse_too() -> None:
    assert "reset it first" in preview(Act.START, replace(NOTHING, state=State.STOPPED, killed=True)).refusal
    assert "already" in preview(Act.PAUSE, replace(NOTHING, paused=True)).refusal
    assert preview(Act.RESUME, replace(NOTHING, paused=True)).allowed
    assert "already" in preview(Act.KILL, replace(NOTHING, killed=True)).refusal
    assert "once it is stopped" in preview(Act.RESET, replace(NOTHING, killed=True)).refusal


def test_kill_lists_every_position_and_order_with_its_worth(busy: PreviewFacts) -> None:
    shown = preview(Act.KILL, busy)
    assert shown.sentence == "Close 2 positions, about 15,100.00 USD."
    assert shown.gross_value == "15100"
    assert [(line.what, line.symbol, line.quantity, line.value) for line in shown.positions] == [
        ("position", "AAA", "100", "10150"),
        ("position", "BBB", "-50", "4950"),
    ]
    assert [(line.what, line.symbol, line.quantity, line.value) for line in shown.orders] == [
        ("stop loss order", "AAA", "-100", "9000"),
        ("take profit order", "AAA", "-100", "11000"),
        ("entry order", "CCC", "7", "700"),
    ]
    assert "3 working orders are cancelled." in shown.effects
    assert "2 open positions are closed at the market." in shown.effects


def test_an_unknown_price_is_unknown_and_said(busy: PreviewFacts) -> None:
    shown = preview(Act.STOP, replace(busy, marks={"AAA": Price.of(100)}))
    assert shown.gross_value is None
    assert shown.sentence == "Close 2 positions, worth unknown."
    assert [line.value for line in shown.positions] == ["10000", None]
    assert shown.orders[-1].value is None
    assert "The price of BBB is unknown, so the worth is too." in shown.effects


@pytest.mark.parametrize(
    ("market_open", "opens_at", "words"),
    [
        (None, None, "Whether the market is open is unknown"),
        (False, None, "closed when it opens."),
        (False, MONDAY.open_at, "closed when it opens at 2013-10-07T13:30:00Z."),
    ],
)
def test_stop_says_when_positions_are_closed(
    busy: PreviewFacts, market_open: bool | None, opens_at: datetime | None, words: str
) -> None:
    facts = replace(busy, market_open=market_open, opens_at=opens_at)
    assert any(words in effect for effect in preview(Act.STOP, facts).effects)
    assert not any("closed when" in effect for effect in preview(Act.STOP, busy).effects)


def test_kill_with_the_market_closed_says_that_positions_stay(busy: PreviewFacts) -> None:
    shown = preview(Act.KILL, replace(busy, market_open=False, opens_at=FRIDAY.open_at))
    assert "positions stay open until it opens" in shown.effects[-1]


def test_the_other_acts_tell_what_they_concern(busy: PreviewFacts) -> None:
    pause = preview(Act.PAUSE, busy)
    assert "2 open positions are managed and closed as usual." in pause.effects
    assert "1 working entry is not cancelled and may still fill." in pause.effects
    start = preview(Act.START, replace(busy, state=State.STOPPED, trades=busy.trades[:1]))
    assert "1 open position is taken over." in start.effects
    assert start.orders == []
    sign = preview(Act.SIGN_RESIDUALS, replace(busy, state=State.EMERGENCY))
    assert sign.sentence == "Accept that 2 positions are left open."
    assert len(sign.positions) == 2
    assert preview(Act.KILL, busy).title == "Kill: flatten 2 positions"
    none = preview(Act.KILL, NOTHING)
    assert none.title == "Kill: lock trading"
    assert none.sentence == "No position is open."
    assert "No working order to cancel." in none.effects
    assert "No open position to close." in none.effects
    assert none.gross_value == "0"


def test_reset_asks_for_the_name_and_a_step_up() -> None:
    shown = preview(Act.RESET, replace(NOTHING, state=State.STOPPED, killed=True))
    assert shown.allowed
    assert (shown.typed_confirmation, shown.needs_step_up) == ("RIGD_US_SIM_01", True)
    assert preview(Act.STOP, NOTHING).typed_confirmation is None
