"""What ends a trade; the vocabulary that both packages share."""

from tbot_bot.domain.close_reasons import CloseReason

__all__ = ["CloseReason"]
