"""A notice as a mail and as JSON. The same notice is the same message at every try."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import format_datetime

from tbot_bot.domain.canonical import canonical_json
from tbot_bot.domain.notices import Notice
from tbot_bot.domain.time import to_rfc3339

_FOOTER = "This is a message of RIGD TradeBot. What is told here stands in its logs and on its notifications page."


def as_mail(notice: Notice, bot: str, sender: str, recipients: str) -> EmailMessage:
    """The notice as a plain text mail; its Message-ID is the notice's id at the sender's domain."""
    message = EmailMessage()
    message["Subject"] = f"[{bot}] {notice.title}"
    message["From"] = sender
    message["To"] = recipients
    message["Date"] = format_datetime(notice.first_at)
    message["Message-ID"] = f"<{notice.notice_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(as_text(notice) + f"\n\n{bot}\n{_FOOTER}\n")
    return message


def as_text(notice: Notice) -> str:
    """What happened, the newest last, each with its time and facts."""
    left_out = notice.count - len(notice.events)
    blocks = [f"{left_out} earlier ones are not listed."] if left_out else []
    for event in notice.events:
        facts = "".join(f"\n  {name}: {value}" for name, value in event.facts.items())
        blocks.append(f"{to_rfc3339(event.at)}\n{event.sentence}{facts}")
    return "\n\n".join(blocks)


def as_json(notice: Notice, bot: str) -> bytes:
    """The notice as a JSON object; `text` is all of it for a person."""
    return canonical_json(
        {
            "id": notice.notice_id,
            "bot": bot,
            "kind": notice.kind,
            "title": notice.title,
            "text": f"[{bot}] {notice.title}\n{as_text(notice)}",
            "count": notice.count,
            "first_at": to_rfc3339(notice.first_at),
            "events": [
                {"at": to_rfc3339(event.at), "sentence": event.sentence, "facts": dict(event.facts)}
                for event in notice.events
            ],
        }
    )
