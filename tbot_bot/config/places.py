"""The folders and files of a home whose rights matter: who may write here could become the system."""

from __future__ import annotations

from tbot_bot.config.paths import Home
from tbot_bot.storage.places import Place, private_file, private_folder, shared_folder, shown_folder


def places_of(home: Home) -> list[Place]:
    """Each of them, whether or not it is there yet."""
    databases = [home.users_database, home.audit_database, home.control_database]
    databases += sorted(home.root.glob("output/*/ledgers/LEDGER.db"))
    beside = [one.with_name(f"{one.name}{end}") for one in databases for end in ("", "-wal", "-shm")]
    return [
        shown_folder(home.root),
        shown_folder(home.control),
        shared_folder(home.flags),
        private_folder(home.storage),
        private_folder(home.storage / "generations"),
        *(private_file(one) for one in (*beside, home.setup_token)),
    ]
