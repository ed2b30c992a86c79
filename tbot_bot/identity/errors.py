"""What identity refuses. Each message says what happened and what to do; `code` is stable.

IdentityError (a RefusedError)
+-- InvalidInputError          fields of a form, each with what it allows
+-- WrongCredentialsError      sign-in refused; the same for every reason
+-- WrongPasswordError         a signed-in person's password was wrong
+-- TooManyAttemptsError       wait before the next try
+-- SessionEndedError          no live session
+-- SessionNotFoundError       no session of that handle
+-- UnknownUserError           no such user
+-- UserMovedError             somebody changed the user meanwhile
+-- LastAdminError             nobody would be left who can sign in as administrator
+-- OwnUserError               not by the person themselves
+-- LinkRefusedError           not a link that can be used
+-- WrongCodeError             not a code of the second factor that can be used
+-- SignInOverError            the password was given too long ago for a code
+-- AdminExistsError           the first administrator is registered already
+-- SetupTokenRefusedError     not the present setup token
+-- UnknownEffectError         an after-effect that this version does not know
"""

from __future__ import annotations

from collections.abc import Mapping

from tbot_bot.domain.audit import RefusedError


class IdentityError(RefusedError):
    """Refused by a rule about people, sessions or tokens."""

    message = ""

    def __init__(self) -> None:
        super().__init__(self.message)


class InvalidInputError(IdentityError):
    """Fields that cannot be accepted; `fields` maps each to what it allows."""

    code = "invalid_input"

    def __init__(self, fields: Mapping[str, str]) -> None:
        Exception.__init__(self, "Nothing was changed. Please correct: " + " ".join(fields.values()))
        self.fields = dict(fields)


class WrongCredentialsError(IdentityError):
    """The name, the password or the code is wrong, or the account may not sign in: never said which."""

    code = "wrong_credentials"
    message = "The username and the password or code do not match an account. Check both and try again."


class WrongPasswordError(IdentityError):
    """The password typed again by someone signed in is wrong."""

    code = "wrong_password"
    message = "The password is not right. You are still signed in and nothing was changed; try again."


class TooManyAttemptsError(IdentityError):
    """Too many failed tries from this address; `retry_after_s` whole seconds remain."""

    code = "too_many_attempts"

    def __init__(self, retry_after_s: int) -> None:
        unit = "second" if retry_after_s == 1 else "seconds"
        Exception.__init__(self, f"Too many failed tries from this address. Wait {retry_after_s} {unit} and try again.")
        self.retry_after_s = retry_after_s


class SessionEndedError(IdentityError):
    """The session is unknown, over or locked."""

    code = "session_ended"
    message = "Your session has ended or is locked, so nothing was changed. Sign in and try again."


class SessionNotFoundError(IdentityError):
    """The caller has no session of that handle."""

    code = "session_not_found"
    message = "That session is over already. Reload the list of your sessions."


class UnknownUserError(IdentityError):
    """No active user has this id."""

    code = "unknown_user"
    message = "There is no such active user, so nothing was changed. Reload the list of users."


class UserMovedError(IdentityError):
    """The user is not as the caller saw them."""

    code = "user_moved"
    message = (
        "Somebody else changed this person meanwhile, so nothing of yours was stored. Look at what stands there now."
    )


class LastAdminError(IdentityError):
    """The change would leave nobody who can sign in as administrator."""

    code = "last_admin"
    message = (
        "This is the last active administrator, so nothing was changed: nobody could undo it. Make somebody else an "
        "administrator first, and let them sign in once."
    )


class OwnUserError(IdentityError):
    """An administrator cannot take away their own place."""

    code = "own_user"
    message = "Your own role and place are changed by another administrator; your password on the account page."


class LinkRefusedError(IdentityError):
    """The token of a link is unknown, used or too old: never said which."""

    code = "link_refused"
    message = "This link has been used, is too old, or was replaced by a newer one. Ask for another."


class WrongCodeError(IdentityError):
    """The code is not that of the moment, or was used."""

    code = "wrong_code"
    message = (
        "This is not the code of the moment, or it was used already. Wait for the next one; see that the clock of the "
        "phone is right."
    )


class SignInOverError(IdentityError):
    """A code came without the password before it."""

    code = "sign_in_over"
    message = "This sign-in took too long or was replaced by another. Begin again with your password."


class AdminExistsError(IdentityError):
    """The set-up is over."""

    code = "admin_exists"
    message = "An administrator is registered already, so the set-up is over. Sign in instead."


class SetupTokenRefusedError(IdentityError):
    """Not the token that was issued last."""

    code = "setup_token_refused"
    message = (
        "This setup token is not the present one. Open the address that was printed at the last start, or take the "
        "token from the file control/setup_token of this bot's home."
    )


class UnknownEffectError(IdentityError):
    """An after-effect of another version, or none of identity's."""

    code = "unknown_effect"

    def __init__(self, kind: object) -> None:
        Exception.__init__(
            self, f"The change {kind!r} is not known here, so it was not applied. Start the version that made it."
        )
