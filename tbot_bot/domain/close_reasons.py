"""What ends a trade: one word for programs and filters, beside the sentence for people."""

from __future__ import annotations

from enum import StrEnum


class CloseReason(StrEnum):
    """Which order or act ended a trade."""

    STOP = "stop"
    TRAIL = "trail"
    TARGET = "target"
    TIME_EXIT = "time_exit"
    HELD_OVER = "held_over"
    UNPROTECTED = "unprotected"
    OPERATOR = "operator"
    STOP_ACT = "stop_act"
    KILL = "kill"
    SHUTDOWN = "shutdown"
    BUST = "bust"
    OTHER = "other"
