"""What stands around the panels: navigation, the controls that may be used now, and the banners of conditions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tbot_bot.api.control import Act, ControlState
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_bot.api.status import BotStatus
from tbot_bot.api.wording import counted, kill_words
from tbot_web.support import figures
from tbot_web.support.page import GROUPS, Page

_RESERVED_FOR_ADMIN = frozenset({Act.RESET, Act.SIGN_RESIDUALS, Act.SIGN_BREAK})
_ICONS = {
    Act.START: "play",
    Act.RESUME: "play",
    Act.PAUSE: "pause",
    Act.BEGIN_DEFENSE: "shield",
    Act.END_DEFENSE: "shield",
    Act.STOP: "stop",
    Act.KILL: "kill",
}
_LABELS = {
    Act.START: "Start…",
    Act.PAUSE: "Pause entries",
    Act.RESUME: "Resume entries",
    Act.STOP: "Stop…",
    Act.CANCEL_CLOSING: "Cancel closing…",
    Act.SIGN_RESIDUALS: "Sign residuals…",
    Act.BEGIN_DEFENSE: "Defense mode…",
    Act.END_DEFENSE: "End defense…",
    Act.RESET: "Reset…",
}
#: Kill is last on the bar, first on a phone. A difference is signed where its figures are, on the status page.
_ORDER = (
    Act.START,
    Act.RESUME,
    Act.PAUSE,
    Act.BEGIN_DEFENSE,
    Act.END_DEFENSE,
    Act.CANCEL_CLOSING,
    Act.SIGN_RESIDUALS,
    Act.RESET,
    Act.STOP,
    Act.KILL,
)


@dataclass(frozen=True, slots=True)
class Control:
    """One button of the control bar."""

    act: Act
    label: str
    icon: str
    look: str


@dataclass(frozen=True, slots=True)
class Banner:
    """One condition of the system; `look` is sim, info, warn or bad."""

    look: str
    icon: str
    text: str


def navigation(
    pages: Iterable[Page], permissions: frozenset[Permission], phase: Phase | None
) -> list[tuple[str, list[Page]]]:
    """The panels that exist now and that the viewer may open, by group."""
    panels = [page for page in pages if page.panel and phase in page.phases and page.permission in permissions]
    panels.sort(key=lambda page: (page.place, page.title))
    groups = ((group, [page for page in panels if page.group == group]) for group in GROUPS)
    return [(group, members) for group, members in groups if members]


def controls(
    state: ControlState | None, permissions: frozenset[Permission], open_positions: int | None
) -> list[Control]:
    """The acts that the state allows and the viewer may use; without an answer from the runner, Kill alone."""
    offered = frozenset({Act.KILL}) if state is None else frozenset(state.acts)
    return [
        Control(act, _label(act, open_positions), _ICONS.get(act, ""), _look(act))
        for act in _ORDER
        if act in offered and permission_for(act) in permissions
    ]


def permission_for(act: Act) -> Permission:
    """What an act needs."""
    return Permission.SYSTEM_RESET if act in _RESERVED_FOR_ADMIN else Permission.TRADING_CONTROL


def banners(bot: BotStatus | None, state: ControlState | None) -> list[Banner]:
    """Conditions that concern every panel: what market this is first, then what is not as usual."""
    found = [] if bot is None else _market_banners(bot)
    if state is not None:
        found += _state_banners(state, bot)
    return found


def _label(act: Act, open_positions: int | None) -> str:
    if act is not Act.KILL:
        return _LABELS[act]
    return f"{kill_words(open_positions)}…"


def _look(act: Act) -> str:
    if act is Act.KILL:
        return "danger"
    return "primary" if act in (Act.START, Act.RESUME) else ""


def _market_banners(bot: BotStatus) -> list[Banner]:
    found = []
    if bot.simulated:
        speed = f", {bot.market_speed}x speed" if bot.market_speed else ""
        seed = f", seed {bot.market_seed}" if bot.market_seed is not None else ""
        found.append(Banner("sim", "flask", f"Simulated market{speed}{seed}. No order leaves this machine."))
    if bot.market_note:
        note = f"{bot.market_note[0].upper()}{bot.market_note[1:]}"
        found.append(Banner("info", "info", f"{note}: the market stands still and nothing more is traded in it."))
    if bot.defense_mode_active:
        found.append(Banner("warn", "shield", _defense_words(bot)))
    return found


def _defense_words(bot: BotStatus) -> str:
    since = f" since {figures.moment(bot.defense_since, 'short')} UTC" if bot.defense_since else ""
    why = f": {', '.join(bot.defense_reasons)}" if bot.defense_reasons else ""
    over = " That is over; it ends by itself if it stays so." if bot.defense_calm_since else ""
    return f"Defense mode{since}{why}.{over} New entries are smaller and fewer."


def _state_banners(state: ControlState, bot: BotStatus | None) -> list[Banner]:
    found = []
    if state.paused:
        reason = f": {bot.pause_reason.rstrip('.')}" if bot and bot.pause_reason else ""
        found.append(Banner("warn", "pause", f"Entries are paused{reason}. Open positions are managed as before."))
    if state.kill_triggered:
        found.append(Banner("bad", "kill", "The kill switch is triggered. Nothing trades until an admin resets it."))
    elif not state.kill_armed:
        found.append(
            Banner("bad", "kill", "The kill switch is not armed, so no order can be sent. An admin resets it.")
        )
    if state.error:
        good = f" It was last well in state {state.last_good_state}." if state.last_good_state else ""
        found.append(Banner("bad", "warning", f"The bot stopped with an error: {state.error.rstrip('.')}.{good}"))
    if state.closing and state.closing.ended_at and state.closing.residuals:
        left = counted(len(state.closing.residuals), "position")
        when = figures.moment(state.closing.ended_at, "time")
        found.append(Banner("warn", "warning", f"Closing ended at {when} UTC with {left} left open."))
    return found
