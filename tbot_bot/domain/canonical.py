"""One way to write JSON, so that equal values have equal bytes and can be hashed and signed."""

from __future__ import annotations

import json
from collections.abc import Mapping


class NotCanonicalError(TypeError):
    """A value that has no single spelling in JSON; the message names where it stands."""


def canonical_json(value: object) -> bytes:
    """Return `value` as UTF-8 JSON with sorted keys and no spaces.

    Mappings with text keys, lists, tuples, text, integers, booleans and None; a float or anything else raises
    NotCanonicalError, because its spelling would depend on who wrote it.
    """
    text = json.dumps(_plain(value, "value"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NotCanonicalError("value holds text that is not Unicode") from error


def _plain(value: object, where: str) -> object:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {_text(key, where): _plain(item, f"{where}.{key}") for key, item in value.items()}
    raise NotCanonicalError(f"{where} is a {type(value).__name__}, which canonical JSON does not know")


def _text(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise NotCanonicalError(f"{where} has a key that is a {type(key).__name__}; keys are text")
    return key
