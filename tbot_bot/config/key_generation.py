"""Key generation, a privileged verb of the runner: the keys that must exist before anything is served."""

from __future__ import annotations

from tbot_bot.config.secret_creation import INTEGRITY, new_integrity
from tbot_bot.storage.generations import GenerationStore, Recovery

_FIRST_REQUEST = "first-start"


def prepare_keys(store: GenerationStore) -> Recovery:
    """Make generation 0 on an empty home, and see at any start that the current generation is whole.

    Raises what `GenerationStore.create_first` and `recover` raise; nothing may be served then.
    """
    store.create_first(
        request_id=_FIRST_REQUEST,
        actor="runner",
        reason="first start of an empty home",
        contents={INTEGRITY: new_integrity()},
    )
    return store.recover()
