"""The documents name what there is; something new without a word about it fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tbot_bot.api.lifecycle import State
from tbot_bot.api.permissions import Permission
from tbot_bot.api.settings import Configuration, describe
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.domain.notices import NoticeKind
from tbot_bot.strategies.registry import STRATEGIES
from tbot_web.py import discover
from tests.tidy.repository import ROOT, kept

REFERENCE = (ROOT / "docs/reference.md").read_text()
SETTINGS = [Configuration, TradingSettings, *(one.parameters for one in STRATEGIES)]


@pytest.mark.parametrize("name", [field.name for model in SETTINGS for field in describe(model)])
def test_every_setting_is_explained(name):
    assert f"| `{name}` |" in REFERENCE


@pytest.mark.parametrize("name", [*State, *Permission, *NoticeKind, *(module.page.slug for module in discover())])
def test_every_state_permission_and_page_is_listed(name):
    assert f"| `{name}` |" in REFERENCE


def test_the_tree_in_the_architecture_is_the_tree():
    document = (ROOT / "docs/ARCHITECTURE.md").read_text()
    (block,) = re.findall(r"```tree\n(.*?)```", document, re.DOTALL)
    written = {line.split()[0].rstrip("/") for line in block.splitlines()}
    found = {
        "/".join(path.parts[:2]) for path in kept() if path.parts[0] in {"tbot_bot", "tbot_web"} and len(path.parts) > 2
    }
    assert written == found


def test_links_in_the_documents_lead_somewhere():
    for path in [one for one in kept() if one.suffix == ".md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)\)", (ROOT / path).read_text()):
            assert (ROOT / path.parent / target).exists() or Path(target).exists(), f"{path}: {target}"
