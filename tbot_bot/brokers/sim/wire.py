"""How values of the domain cross the simulated market's socket: JSON, exact amounts as text, times as RFC 3339.

WireError   a message that is not what the protocol says
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from tbot_bot.domain import broker
from tbot_bot.domain.broker import BrokerEvent
from tbot_bot.domain.money import Money, Price, Quantity
from tbot_bot.domain.time import from_rfc3339, to_rfc3339

T = TypeVar("T")
_AMOUNTS = (Money, Price, Quantity)
#: How leaves are written, the first kind that fits.
_TEXTS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (Enum, lambda value: str(value.value)),
    (str, str),
    (_AMOUNTS, str),
    (datetime, to_rfc3339),
    (date, date.isoformat),
)
#: How leaves are read.
_LEAVES: dict[Any, Callable[[Any], Any]] = {
    datetime: lambda data: from_rfc3339(_exactly(str, data)),
    date: lambda data: date.fromisoformat(_exactly(str, data)),
    Money: lambda data: Money.of(_exactly(str, data)),
    Price: lambda data: Price.of(_exactly(str, data)),
    Quantity: lambda data: Quantity.of(_exactly(str, data)),
}
_EVENTS: dict[str, type[BrokerEvent]] = {kind.__name__: kind for kind in get_args(broker.BrokerEvent)}


class WireError(ValueError):
    """A message does not have the form that the protocol gives it."""


def to_line(message: Mapping[str, Any]) -> bytes:
    """Return one JSON object as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def from_line(line: bytes) -> dict[str, Any]:
    """Parse one line into a JSON object, or raise WireError."""
    try:
        message = json.loads(line)
    except ValueError as error:
        raise WireError(f"not a line of JSON: {error}") from error
    if not isinstance(message, dict):
        raise WireError("a message is a JSON object")
    return message


def encode(value: object) -> Any:
    """Return `value` in the form that JSON can hold."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    text = next((form(value) for kind, form in _TEXTS if isinstance(value, kind)), None)
    if text is not None:
        return text
    if is_dataclass(value) and not isinstance(value, type):
        return {name: encode(getattr(value, name)) for name in _names(type(value))}
    raise WireError(f"{type(value).__name__} does not cross the wire")


def decode(kind: type[T], data: object) -> T:
    """Read a value of type `kind` back from what `encode` made of it, or raise WireError."""
    try:
        return cast("T", _decoder(cast("Any", kind))(data))
    except WireError:
        raise
    except (TypeError, ValueError, KeyError) as error:
        raise WireError(f"not a valid {getattr(kind, '__name__', kind)}: {error}") from error


def encode_event(event: BrokerEvent) -> dict[str, Any]:
    """Return an event with its kind."""
    return {"kind": type(event).__name__, "event": encode(event)}


def decode_event(data: Mapping[str, Any]) -> BrokerEvent:
    """Read an event back."""
    kind = _EVENTS.get(str(data.get("kind")))
    if kind is None:
        raise WireError(f"unknown event {data.get('kind')!r}")
    return decode(kind, data.get("event"))


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    """Build the reader of one type; recursion through a dataclass is resolved when it reads."""
    if kind in _LEAVES:
        return _LEAVES[kind]
    if get_origin(kind) in (Union, UnionType):
        (some,) = (option for option in get_args(kind) if option is not NoneType)
        inner = _decoder(some)
        return lambda data: None if data is None else inner(data)
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        return lambda data: tuple(decode(item, one) for one in _exactly(list, data))
    if is_dataclass(kind):
        return _record_decoder(cast("type", kind))
    if issubclass(kind, Enum):
        return cast("Callable[[Any], Any]", kind)
    return lambda data: _exactly(kind, data)


def _record_decoder(kind: type) -> Callable[[Any], Any]:
    names = frozenset(_names(kind))

    def read(data: Any) -> Any:
        if not isinstance(data, dict) or data.keys() != names:
            raise WireError(f"a {kind.__name__} has exactly the fields {', '.join(sorted(names))}")
        hints = _hints(kind)
        return kind(**{name: _decoder(hints[name])(item) for name, item in data.items()})

    return read


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _exactly(kind: type[T], data: object) -> T:
    if type(data) is not kind:
        raise WireError(f"expected {kind.__name__}, got {type(data).__name__}")
    return data
