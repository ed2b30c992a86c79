from __future__ import annotations

import base64
import stat
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tbot_bot.storage.generations import KEEP_FOR, KEEP_NEWEST, Committed, GenerationStore
from tbot_bot.storage.keys import is_endorsed, is_signed
from tbot_bot.storage.secret_errors import (
    ClockSetBackError,
    GenerationInvalidError,
    NoGenerationError,
    RotationFailedError,
    SecretNameError,
    StoreBusyError,
    StoreUnreadableError,
)
from tests.unit.storage.faults import FixedClock, WatchedFilesystem, fail_at

OpenStore = Callable[..., GenerationStore]


def rotate(store: GenerationStore, number: int, **content: dict[str, object]) -> Committed:
    return store.rotate(
        lambda old: {**old, **content}, request_id=f"request-{number:04d}", reason="test", actor="alice"
    )


def tree(root: Path) -> dict[str, str]:
    """Every path under `root` with its mode, links with their target."""
    return {
        str(path.relative_to(root)): f"-> {path.readlink()}" if path.is_symlink() else oct(path.stat().st_mode & 0o7777)
        for path in sorted(root.rglob("*"))
    }


def test_the_layout_is_the_documented_one(store: GenerationStore, tmp_path: Path) -> None:
    rotate(store, 1, broker={"token": "x"})
    store.recover()
    root = tmp_path / "storage"
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert tree(root) == {
        ".lock": "0o600",
        "current": "-> generations/000001",
        "keys": "-> current/keys",
        "secrets": "-> current/secrets",
        "generations": "0o700",
        "generations/000000": "0o700",
        "generations/000000/MANIFEST.json": "0o600",
        "generations/000000/keys": "0o700",
        "generations/000000/keys/checkpoint.key": "0o600",
        "generations/000000/keys/sealing.key": "0o600",
        "generations/000000/keys/web_signing.key": "0o600",
        "generations/000000/secrets": "0o700",
        "generations/000001": "0o700",
        "generations/000001/MANIFEST.json": "0o600",
        "generations/000001/keys": "0o700",
        "generations/000001/keys/broker.key": "0o600",
        "generations/000001/keys/checkpoint.key": "0o600",
        "generations/000001/keys/sealing.key": "0o600",
        "generations/000001/keys/sealing.previous.key": "0o600",
        "generations/000001/keys/web_signing.key": "0o600",
        "generations/000001/keys/web_signing.previous.key": "0o600",
        "generations/000001/secrets": "0o700",
        "generations/000001/secrets/broker.json.enc": "0o600",
    }
    key = (root / "keys/broker.key").read_bytes()
    assert Fernet(key).decrypt((root / "secrets/broker.json.enc").read_bytes()) == b'{"token":"x"}'


def test_an_empty_home_has_no_generation(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store()
    with pytest.raises(StoreUnreadableError):
        store.recover()
    (tmp_path / "storage/generations").mkdir(parents=True)
    with pytest.raises(NoGenerationError):
        store.recover()
    with pytest.raises(NoGenerationError), store.current():
        pass
    with pytest.raises(NoGenerationError):
        rotate(store, 1)
    assert store.find("request-0001") is None
    assert store.prunable() == ()


def test_the_first_generation_is_made_once(store: GenerationStore) -> None:
    with store.current() as pinned:
        assert (pinned.number, pinned.names, pinned.manifest.parent) == (0, (), None)
        keys = pinned.sealing_keys(), pinned.signing_keys(), pinned.checkpoint_key().public_key
        assert [len(part) for part in keys] == [1, 1, 64]
    again = store.create_first(request_id="first-start", actor="runner", reason="first start")
    assert again.repeated
    with store.current() as pinned:
        assert keys == (pinned.sealing_keys(), pinned.signing_keys(), pinned.checkpoint_key().public_key)


def test_a_rotation_replaces_every_key_and_keeps_the_content(store: GenerationStore) -> None:
    rotate(store, 1, broker={"token": "x", "n": 1}, smtp={"password": "päss", "on": True, "none": None, "l": [1]})
    with store.current() as one:
        before = {name: one.manifest.files[f"keys/{name}.key"].sha256 for name in ("broker", "smtp", "sealing")}
        contents = one.read_all()
        checkpoint = one.checkpoint_key().public_key
    assert rotate(store, 2) == Committed(2, store.find("request-0002").manifest_sha256)  # type: ignore[union-attr] # it was just made
    with store.current() as two:
        assert two.read_all() == contents
        assert two.read("broker") == {"token": "x", "n": 1}
        assert (two.number, two.manifest.parent, two.manifest.actor, two.manifest.reason) == (2, 1, "alice", "test")
        assert all(two.manifest.files[f"keys/{name}.key"].sha256 != digest for name, digest in before.items())
        assert two.checkpoint_key().public_key != checkpoint
        assert is_signed(two.checkpoint_key().public_key, b"data", two.checkpoint_key().sign(b"data"))
        with pytest.raises(KeyError):
            two.read("nothing")


def test_predecessors_stay_accepted(store: GenerationStore, clock: FixedClock) -> None:
    with store.current() as zero:
        sealing, signing, checkpoint = zero.sealing_keys(), zero.signing_keys(), zero.checkpoint_key().public_key
        public = zero.sealing_public_key()
    rotate(store, 1)
    with store.current() as one:
        assert one.sealing_keys()[1:] == sealing
        assert one.signing_keys()[1:] == signing
        assert one.sealing_public_key() != public
        assert len(base64.urlsafe_b64decode(public)) == 32
        endorsement = one.manifest.endorsement
        assert endorsement is not None
        assert endorsement.predecessor == checkpoint
        assert is_endorsed(one.manifest.checkpoint_key, checkpoint, endorsement.signature)
        assert not is_endorsed(checkpoint, checkpoint, endorsement.signature)
        clock.move(timedelta(minutes=10))
        assert len(one.sealing_keys()) == 2
        clock.move(timedelta(microseconds=1))
        assert len(one.sealing_keys()) == 1
        assert len(one.signing_keys()) == 2


def test_predecessors_stay_accepted_however_often_the_keys_are_rotated(
    store: GenerationStore, clock: FixedClock
) -> None:
    """Each sealing key counts for ten minutes after it was replaced; the signing keys are dropped with it, or later."""
    sealing: list[tuple[str, timedelta]] = []
    signing: list[str] = []
    began = clock.now()
    for number, pause in enumerate((0, 1, 0, 200, 300, 99, 1, 1, 700, 0), start=1):
        with store.current() as pinned:
            sealing.insert(0, (pinned.sealing_keys()[0], clock.now() - began))
            signing.insert(0, pinned.signing_keys()[0])
        rotate(store, number)
        clock.move(timedelta(seconds=pause))
        with store.current() as pinned:
            young = [key for key, at in sealing if clock.now() - began - at <= timedelta(minutes=10)]
            assert list(pinned.sealing_keys()[1:]) == young
            assert list(pinned.signing_keys()[1:])[: len(young)] == signing[: len(young)]
            assert pinned.signing_keys()[1] == signing[0]
    with store.current() as pinned:
        assert len(pinned.signing_keys()) == 2


def test_a_clock_that_was_set_back_mixes_up_no_keys(store: GenerationStore, clock: FixedClock) -> None:
    with store.current() as pinned:
        first = pinned.sealing_keys()[0], pinned.signing_keys()[0]
    rotate(store, 1)
    clock.move(timedelta(minutes=-5))
    with store.current() as pinned:
        second = pinned.sealing_keys()[0], pinned.signing_keys()[0]
    rotate(store, 2)
    with store.current() as pinned:
        assert pinned.sealing_keys()[1:] == (second[0], first[0])
        assert pinned.signing_keys()[1:] == (second[1], first[1])


def test_a_clock_that_was_set_back_far_rotates_nothing(store: GenerationStore, clock: FixedClock) -> None:
    rotate(store, 1)
    clock.move(timedelta(minutes=-5, microseconds=-1))
    with pytest.raises(ClockSetBackError, match=r"it says 2026-03-02T14:24:59\.999999Z, but generation 1"):
        rotate(store, 2)
    clock.move(timedelta(microseconds=1))
    assert rotate(store, 2).number == 2


def test_a_repeated_request_rotates_nothing(store: GenerationStore, open_store: OpenStore) -> None:
    first = rotate(store, 1, broker={"n": 1})
    rotate(store, 2, broker={"n": 2})
    for later in (store, open_store()):
        again = later.rotate(lambda _: pytest.fail("asked"), request_id="request-0001", reason="r", actor="bob")
        assert again == Committed(1, first.manifest_sha256, repeated=True)
    with store.current() as pinned:
        assert (pinned.number, pinned.read("broker")) == (2, {"n": 2})


def test_a_change_gets_a_copy_and_may_remove(store: GenerationStore) -> None:
    rotate(store, 1, broker={"n": [1]}, smtp={"n": 1})

    def change(old: object) -> dict[str, dict[str, object]]:
        assert isinstance(old, dict)
        old["broker"]["n"].append(2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.rotate(change, request_id="request-0002", reason="r", actor="a")
    store.rotate(lambda old: {"broker": old["broker"]}, request_id="request-0003", reason="r", actor="a")
    with store.current() as pinned:
        assert pinned.number == 2
        assert pinned.read_all() == {"broker": {"n": [1]}}


@pytest.mark.parametrize(
    "name", ["", "Broker", "../broker", "a/b", "sealing", "checkpoint", "web_signing", "a.b", "1a"]
)
def test_a_category_has_a_plain_name(store: GenerationStore, name: str) -> None:
    with pytest.raises(SecretNameError):
        rotate(store, 1, **{name: {}})
    with store.current() as pinned:
        assert pinned.number == 0


def test_after_effects_stand_in_the_manifest(store: GenerationStore) -> None:
    effects = [{"kind": "user.create", "name": "alice"}, {"kind": "event"}]
    store.rotate(lambda old: old, request_id="request-0001", reason="r", actor="a", after_effects=effects)
    assert store.pending_after_effects() == (1, tuple(effects))


def test_a_pinned_reader_is_not_moved(store: GenerationStore) -> None:
    rotate(store, 1, broker={"n": 1}, smtp={"n": 1})
    with store.current() as pinned:
        rotate(store, 2, broker={"n": 2}, smtp={"n": 2})
        assert pinned.read("broker") == pinned.read("smtp") == {"n": 1}


def test_readers_never_see_two_generations_at_once(store: GenerationStore) -> None:
    rotate(store, 0, left={"n": 0}, right={"n": 0})
    over = threading.Event()
    mixed: list[object] = []
    reads = [0]

    def read() -> None:
        while not over.is_set():
            with store.current() as pinned:
                left, right, number = pinned.read("left"), pinned.read("right"), pinned.number
            reads[0] += 1
            if left != right or left != {"n": number - 1}:
                mixed.append((left, right, number))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 31):
        rotate(store, number, left={"n": number}, right={"n": number})
    over.set()
    for reader in readers:
        reader.join()
    assert mixed == []
    assert reads[0] > 10


def test_threads_wait_and_other_holders_are_refused(store: GenerationStore, open_store: OpenStore) -> None:
    def during(old: object) -> dict[str, dict[str, object]]:
        with pytest.raises(StoreBusyError):
            rotate(open_store(), 9)
        return {}

    store.rotate(during, request_id="request-0001", reason="r", actor="a")
    threads = [threading.Thread(target=rotate, args=(store, number)) for number in range(2, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.current() as pinned:
        assert pinned.number == 5


def test_the_lock_file_must_be_one(open_store: OpenStore, store: GenerationStore, tmp_path: Path) -> None:
    lock = tmp_path / "storage/.lock"
    lock.unlink()
    lock.symlink_to("elsewhere")
    with pytest.raises(StoreUnreadableError):
        rotate(store, 1)


def test_old_generations_go_after_thirty_days_but_ten_stay(store: GenerationStore, clock: FixedClock) -> None:
    for number in range(1, 15):
        rotate(store, number)
    assert store.prune() == ()
    clock.move(KEEP_FOR)
    assert store.prunable() == ()
    clock.move(timedelta(seconds=1))
    assert store.prunable() == store.prune() == tuple(range(5))
    assert store.prune() == ()
    recovery = store.recover()
    assert (recovery.number, recovery.removed) == (14, ())
    assert store.find("request-0004") is None
    assert store.find("request-0005") is not None


def test_young_generations_stay_however_many(store: GenerationStore, clock: FixedClock) -> None:
    clock.move(KEEP_FOR + timedelta(days=1))
    for number in range(1, KEEP_NEWEST + 5):
        rotate(store, number)
    assert store.prune() == (0,)


def test_a_damaged_old_generation_is_reported_and_kept(
    store: GenerationStore, clock: FixedClock, tmp_path: Path, open_store: OpenStore
) -> None:
    for number in range(1, 13):
        rotate(store, number)
    manifest = tmp_path / "storage/generations/000001/MANIFEST.json"
    manifest.write_bytes(manifest.read_bytes()[:-1])
    clock.move(KEEP_FOR + timedelta(days=1))
    store = open_store()
    assert store.recover().damaged == (1,)
    assert store.prune() == (0, 2)
    assert rotate(store, 13).number == 13


def test_a_full_disk_refuses_before_writing(store: GenerationStore, open_store: OpenStore, tmp_path: Path) -> None:
    class Full(WatchedFilesystem):
        space: tuple[int, int, int] = (0, 1000, 1000)

        def statvfs(self, path: Path) -> object:  # type: ignore[override] # the fields that the store reads
            real = super().statvfs(path)
            bavail, files, favail = self.space

            class Disk:
                f_frsize, f_bavail, f_files, f_favail = real.f_frsize, bavail, files, favail

            return Disk()

    filesystem = Full()
    full = open_store(filesystem)
    for space, words in (((8, 0, 0), "KiB must be free"), ((9, 9, 8), "too few inodes")):
        filesystem.space = space
        with pytest.raises(RotationFailedError, match=words) as refused:
            rotate(full, 1)
        assert "Generation 0 stands" in str(refused.value)
    assert not any(name in ("mkdir", "write") for name, _ in filesystem.done)
    filesystem.space = (9, 0, 0)
    assert rotate(full, 1).number == 1


def test_a_crash_before_the_first_pointer_is_completed(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store()
    store.create_first(request_id="first-start", actor="runner", reason="r")
    with store.current() as pinned:
        digest = pinned.manifest_sha256
    (tmp_path / "storage/current").unlink()
    with pytest.raises(NoGenerationError):
        store.recover()
    again = store.create_first(request_id="first-start", actor="runner", reason="r")
    assert again == Committed(0, digest)


def test_a_lost_pointer_is_never_guessed(store: GenerationStore, tmp_path: Path) -> None:
    rotate(store, 1)
    (tmp_path / "storage/current").unlink()
    for start in (store.recover, lambda: store.create_first(request_id="first-start", actor="r", reason="r")):
        with pytest.raises(GenerationInvalidError) as found:
            start()
        assert found.value.file == "current"
    assert (tmp_path / "storage/generations/000001").is_dir()


def test_a_newer_generation_survives_until_the_audit_was_asked(store: GenerationStore, tmp_path: Path) -> None:
    rotate(store, 1, broker={"n": 1})
    rotate(store, 2, broker={"n": 2})
    pointer = tmp_path / "storage/current"
    pointer.unlink()
    pointer.symlink_to("generations/000001")
    assert store.recover().uncommitted == (2,)
    assert (tmp_path / "storage/generations/000002").is_dir()
    assert rotate(store, 3).number == 2
    with store.current() as pinned:
        assert pinned.read("broker") == {"n": 1}


def test_recover_removes_debris_and_says_so(store: GenerationStore, tmp_path: Path) -> None:
    root = tmp_path / "storage"
    (root / "generations/000001.partial/keys").mkdir(parents=True)
    (root / "generations/000001.partial/keys/x.key").write_text("x")
    (root / "generations/000001.partial/keys/link").symlink_to("/nowhere")
    (root / "generations/000000.trash").mkdir()
    (root / ".current.tmp").symlink_to("generations/000001")
    assert store.recover().removed == ("000000.trash", "000001.partial", ".current.tmp")
    assert store.recover().removed == ()


def test_the_storage_folder_is_made_private(open_store: OpenStore, tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir(mode=0o755)
    open_store().create_first(request_id="first-start", actor="runner", reason="r")
    assert stat.S_IMODE((tmp_path / "storage").stat().st_mode) == 0o700


def test_no_home_is_named(open_store: OpenStore, tmp_path: Path) -> None:
    with pytest.raises(StoreUnreadableError, match="No such file"):
        open_store(root=tmp_path / "no/home").create_first(request_id="first-start", actor="r", reason="r")


def test_a_busy_lock_is_let_go(open_store: OpenStore, store: GenerationStore) -> None:
    filesystem = WatchedFilesystem(before=fail_at(0), only=("lock",))
    with pytest.raises(StoreUnreadableError):
        rotate(open_store(filesystem), 1)
    assert rotate(store, 1).number == 1


def test_a_category_remembers_its_last_change(store: GenerationStore) -> None:
    """Every rotation renews every file; what tells their age is when the content last differed."""
    rotate(store, 1, broker={"token": "x"}, smtp={"host": "a"})
    rotate(store, 2, broker={"token": "y"})
    rotate(store, 3)
    store.rotate(lambda old: {"smtp": old["smtp"]}, request_id="request-0004", reason="test", actor="alice")
    rotate(store, 5, broker={"token": "y"})
    with store.current() as pinned:
        written = pinned.manifest.written
        at = pinned.manifest.created_at
    assert {name: one.generation for name, one in written.items()} == {"broker": 5, "smtp": 1}
    assert written["broker"].at == at
