"""Errors that cross the system API, as problem+json documents (RFC 9457).

A problem says what happened (`title`, `detail`), what still works and what to do next (`next_step`), and carries
a stable `code` and, for forms, a message for each field.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """The body of an error answer."""

    model_config = ConfigDict(extra="forbid")

    status: int = Field(description="The HTTP status.")
    code: str = Field(description="Stable name of the failure.")
    title: str = Field(description="What happened.")
    detail: str = Field(default="", description="More about it, and what still works.")
    next_step: str = Field(default="", description="What to do next.")
    fields: dict[str, str] = Field(default_factory=dict, description="A message for each field that is wrong.")
    retry_after_s: int | None = Field(default=None, description="Seconds to wait before another try.")
    error_id: str | None = Field(default=None, description="What to look for in the portal's log.")


class ApiError(Exception):
    """A refusal or failure that carries its Problem; raised by verbs and by the portal's client alike."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem

    @classmethod
    def of(
        cls,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        next_step: str = "",
        fields: Mapping[str, str] | None = None,
        retry_after_s: int | None = None,
    ) -> ApiError:
        """Build from the parts of a Problem."""
        return cls(
            Problem(
                status=status,
                code=code,
                title=title,
                detail=detail,
                next_step=next_step,
                fields=dict(fields or {}),
                retry_after_s=retry_after_s,
            )
        )


def runner_unreachable() -> ApiError:
    """The portal got no answer from the runner."""
    return ApiError.of(
        503,
        "runner_unreachable",
        "The control process is not answering",
        "The portal is up, but the process that owns the books and the keys did not answer.",
        "Orders that protect open positions stand at the broker. It is restarted by itself; this page tries again.",
    )


def not_signed_in() -> ApiError:
    """No live session."""
    return ApiError.of(401, "not_signed_in", "Please sign in", "There is no session, or it has ended.", "Sign in.")


def no_setup_session() -> ApiError:
    """Only for whoever exchanged the one-time token."""
    return ApiError.of(
        401,
        "no_setup_session",
        "The setup link is needed",
        "This is for whoever installs or repairs the bot.",
        "Open the link that was printed at the start, or enter the token from control/setup_token.",
    )


def not_allowed(permission: str) -> ApiError:
    """The role lacks a permission."""
    return ApiError.of(
        403,
        "not_allowed",
        "Your role does not allow this",
        f"It needs the permission {permission}.",
        "Ask an administrator, or go back to a page that you may see.",
    )


def wrong_phase(state: str) -> ApiError:
    """The verb does not exist in the present state."""
    return ApiError.of(
        404,
        "wrong_phase",
        "Not available now",
        f"The bot is in state {state}, in which this does not exist.",
        "Open the start page; it leads to what can be done now.",
    )
