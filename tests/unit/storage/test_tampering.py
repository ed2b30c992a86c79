"""A file changed behind the store's back is found, named, and never used."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from tbot_bot.domain.canonical import canonical_json
from tbot_bot.storage.filesystem import Filesystem
from tbot_bot.storage.generation import SIZE_MAX
from tbot_bot.storage.generations import Committed, GenerationStore
from tbot_bot.storage.keys import CheckpointKey, encrypt, new_key
from tbot_bot.storage.manifest import ManifestError, parse, render, sha256
from tbot_bot.storage.secret_errors import GenerationInvalidError, RotationFailedError, StoreUnreadableError
from tests.unit.storage.faults import FixedClock, QuickFilesystem, WatchedFilesystem, fail_at

CLOCK = FixedClock()
FILES = (
    "MANIFEST.json",
    "keys/broker.key",
    "keys/checkpoint.key",
    "keys/sealing.key",
    "keys/sealing.previous.key",
    "keys/web_signing.key",
    "keys/web_signing.previous.key",
    "secrets/broker.json.enc",
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "storage"
    store = opened(root)
    store.create_first(request_id="first-start", actor="runner", reason="first start")
    store.rotate(
        lambda _: {"broker": {"token": "x"}},
        request_id="request-0001",
        reason="test",
        actor="alice",
        after_effects=[{"kind": "event", "count": 12345}],
    )
    store.recover()
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "storage", symlinks=True))


def opened(root: Path, filesystem: Filesystem | None = None) -> GenerationStore:
    return GenerationStore(root, clock=CLOCK, filesystem=filesystem or QuickFilesystem())


def read_everything(store: GenerationStore) -> None:
    with store.current() as pinned:
        pinned.read_all()
        pinned.sealing_keys()
        pinned.signing_keys()
        pinned.checkpoint_key()


def refused(root: Path, file: str, words: str, *, by_reading: bool = True) -> None:
    for use in (opened(root).recover, lambda: read_everything(opened(root))) if by_reading else (opened(root).recover,):
        with pytest.raises(GenerationInvalidError, match=words) as found:
            use()
        assert found.value.file == file
        assert file in str(found.value)


@pytest.mark.parametrize("file", FILES)
def test_any_flipped_byte_is_found(root: Path, file: str) -> None:
    path = root / "generations/000001" / file
    good = path.read_bytes()
    for position in range(0, len(good), max(1, len(good) // 40)):
        for flip in (0x01, 0x20, 0x80):
            path.write_bytes(good[:position] + bytes([good[position] ^ flip]) + good[position + 1 :])
            refused(root, file, "is not as it was written")
    for other in (good[:-1], good + b"\n", b""):
        path.write_bytes(other)
        refused(root, file, "is not as it was written")
    path.write_bytes(good)
    assert opened(root).recover().number == 1


@pytest.mark.parametrize("file", FILES)
def test_what_is_no_plain_private_file_is_refused(root: Path, file: str, tmp_path: Path) -> None:
    path = root / "generations/000001" / file
    good = path.read_bytes()
    path.unlink()
    refused(root, file, "is missing")
    aside = tmp_path / "aside"
    aside.write_bytes(good)
    aside.chmod(0o600)
    path.symlink_to(aside)
    refused(root, file, "is a link")
    path.unlink()
    os.link(aside, path)
    refused(root, file, "linked from another place")
    path.unlink()
    os.mkfifo(path, 0o600)
    refused(root, file, "not a plain file")
    path.unlink()
    path.mkdir()
    refused(root, file, "not a plain file")
    path.rmdir()
    path.write_bytes(good)
    path.chmod(0o640)
    refused(root, file, "has mode 0640 instead of 0600")
    path.chmod(0o600)
    assert opened(root).recover().number == 1


def test_a_socket_is_refused(root: Path, tmp_path: Path) -> None:
    path = root / "generations/000001/keys/broker.key"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(path.parent, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{folder}/broker.key")
        os.close(folder)
    refused(root, "keys/broker.key", "not a plain file")


def test_a_huge_file_is_not_read(root: Path) -> None:
    with (root / "generations/000001/secrets/broker.json.enc").open("r+b") as file:
        file.truncate(SIZE_MAX + 1)
    refused(root, "secrets/broker.json.enc", "is larger than")


@pytest.mark.parametrize("folder", ["keys", "secrets", ""])
def test_folders_are_private_and_real(root: Path, folder: str, tmp_path: Path) -> None:
    path = root / "generations/000001" / folder
    named = folder or "000001"
    path.chmod(0o750)
    refused(root, named, "has mode 0750 instead of 0700")
    path.chmod(0o700)
    moved = path.rename(tmp_path / "moved")
    refused(root, named, "is missing")
    path.symlink_to(moved)
    refused(root, named, "is not a folder")
    path.unlink()
    path.write_text("")
    refused(root, named, "is not a folder")


@pytest.mark.parametrize("extra", ["more", "keys/more.key", "secrets/more.json.enc"])
def test_a_file_too_many_is_found(root: Path, extra: str) -> None:
    (root / "generations/000001" / extra).write_text("x")
    refused(root, extra, "is not in the manifest", by_reading=False)


def test_a_generation_under_another_number_is_refused(root: Path) -> None:
    generations = root / "generations"
    (generations / "000000").rename(generations / "000007")
    (root / "current").unlink()
    (root / "current").symlink_to("generations/000007")
    refused(root, "MANIFEST.json", "belongs to generation 0")


@pytest.mark.parametrize("target", ["generations/1", "/tmp", "generations/000001/../000000", "generations/000001/"])
def test_the_pointer_names_a_generation_and_nothing_else(root: Path, target: str) -> None:
    (root / "current").unlink()
    (root / "current").symlink_to(target)
    refused(root, "current", "does not name a generation")


def test_the_pointer_is_a_link(root: Path) -> None:
    (root / "current").unlink()
    (root / "current").mkdir()
    refused(root, "current", "is not a link")


def test_a_pointer_to_nothing_is_refused(root: Path) -> None:
    (root / "current").unlink()
    (root / "current").symlink_to("generations/000009")
    refused(root, "000009", "is missing")


@pytest.mark.parametrize("name", ["keys", "secrets"])
def test_the_fixed_links_are_as_made(root: Path, name: str) -> None:
    (root / name).unlink()
    (root / name).symlink_to("/tmp")
    refused(root, name, "is not the link to", by_reading=False)
    (root / name).unlink()
    opened(root).recover()
    assert (root / name).readlink() == Path("current") / name


def rewrite(root: Path, *, sign_with: str | None = None, **changes: object) -> None:
    """Write a manifest that is correctly signed, by someone who has the keys."""
    folder = root / "generations/000001"
    manifest = parse((folder / "MANIFEST.json").read_bytes())
    key = CheckpointKey.of(sign_with or (folder / "keys/checkpoint.key").read_text())
    changed = manifest.model_copy(update={"checkpoint_key": key.public_key, **changes})
    (folder / "MANIFEST.json").write_bytes(render(changed, key))


def test_a_manifest_signed_by_another_key_is_refused(root: Path) -> None:
    manifest = root / "generations/000001/MANIFEST.json"
    good = manifest.read_bytes()
    rewrite(root, sign_with=new_key())
    refused(root, "MANIFEST.json", "names a checkpoint key that its predecessor did not sign")
    manifest.write_bytes(good)
    rewrite(root, sign_with=new_key(), endorsement=None)
    refused(root, "MANIFEST.json", r"was not signed with keys/checkpoint.key")


def test_content_that_its_key_cannot_open_is_refused(root: Path) -> None:
    folder = root / "generations/000001"
    manifest = parse((folder / "MANIFEST.json").read_bytes())
    token = encrypt(new_key(), b"{}", CLOCK.now())
    (folder / "secrets/broker.json.enc").write_bytes(token)
    entry = manifest.files["secrets/broker.json.enc"].model_copy(update={"sha256": sha256(token)})
    rewrite(root, files={**manifest.files, "secrets/broker.json.enc": entry})
    refused(root, "secrets/broker.json.enc", "cannot be decrypted")


def test_a_manifest_is_read_byte_for_byte(root: Path) -> None:
    data = (root / "generations/000001/MANIFEST.json").read_bytes()
    manifest = parse(data)
    content = json.loads(data)
    float_effect = {
        "manifest": {**content["manifest"], "after_effects": [{"n": 1.5}]},
        "signature": content["signature"],
    }
    edited = {"manifest": {**content["manifest"], "actor": "mallory"}, "signature": content["signature"]}
    for other, words in (
        (b"no json", "cannot be read"),
        (canonical_json({"manifest": {}, "signature": content["signature"]}), "cannot be read"),
        (json.dumps(content).encode(), "was rewritten"),
        (json.dumps(float_effect).encode(), "never writes"),
        (canonical_json(edited), "does not carry the signature"),
    ):
        with pytest.raises(ManifestError, match=words):
            parse(other)
    assert parse(data) == manifest


def test_a_failing_disk_is_not_called_tampering(root: Path) -> None:
    counting = WatchedFilesystem(only=("open", "listdir", "readlink"))
    opened(root, counting).recover()
    for number in range(len(counting.done)):
        with pytest.raises(StoreUnreadableError):
            opened(root, WatchedFilesystem(before=fail_at(number), only=counting.only)).recover()


def rotate(store: GenerationStore, value: str) -> Committed:
    return store.rotate(lambda _: {"broker": {"token": value}}, request_id="request-0002", reason="r", actor="a")


class Lossy(Filesystem):
    """Writes something else than it was given."""

    def write(self, descriptor: int, data: bytes) -> int:
        return super().write(descriptor, bytes([data[0] ^ 1]) + data[1:])


class Swapping(Filesystem):
    """Puts another generation, flawless in itself, in the place of the one that was written."""

    def __init__(self, other: Path) -> None:
        self.other = other

    def rename(self, source: Path, target: Path) -> None:
        if source.suffix == ".partial":
            shutil.rmtree(source)
            shutil.copytree(self.other, source)
        super().rename(source, target)


def test_what_does_not_read_back_is_never_put_in_place(root: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(root, tmp_path / "other", symlinks=True))
    rotate(opened(other), "other")
    for filesystem in (Lossy(), Swapping(other / "generations/000002")):
        with pytest.raises(RotationFailedError, match="Generation 1 stands"):
            rotate(opened(root, filesystem), "x")
        assert sorted(path.name for path in (root / "generations").iterdir()) == ["000000", "000001"]
    assert rotate(opened(root), "x").number == 2
