"""What a username and an email address may be. A rule is a function that returns what is wrong, or None."""

from __future__ import annotations

import re

from tbot_bot.identity.passwords import password_problem

_USERNAME = re.compile(r"[A-Za-z0-9_.-]{3,32}")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def fold(username: str) -> str:
    """The one form of a username that is stored and compared."""
    return username.strip().casefold()


def username_problem(username: str) -> str | None:
    """Why this is no username."""
    if _USERNAME.fullmatch(username):
        return None
    return "A username has 3 to 32 characters: letters a to z, digits, full stop, hyphen and underscore."


def email_problem(email: str) -> str | None:
    """Why this is no email address; whether mail arrives is not checked."""
    if _EMAIL.fullmatch(email) and ".." not in email:
        return None
    return "An email address has the form name@example.org, without spaces, at most 64 characters before the @."


def registration_problems(username: str, email: str, password: str, again: str) -> dict[str, str]:
    """What is wrong with each field of a registration, all at once; `again` is the password as it was repeated."""
    problems = {
        "username": username_problem(username),
        "email": email_problem(email),
        "password": password_problem(password, username, email),
        "confirm_password": None if again == password else "The two passwords differ; type the same one twice.",
    }
    return {field: problem for field, problem in problems.items() if problem is not None}
