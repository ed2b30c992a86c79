"""Every page is whole, and what it ships is clean."""

from __future__ import annotations

import re

import pytest

from tbot_web.py import discover
from tests.tidy.repository import ROOT, kept, text_of

WEB = ROOT / "tbot_web"
PAGES = {module.page.slug: module.page for module in discover()}
#: Pages that one module shows beside its own.
SISTERS = {
    "wait",
    "shutdown",
    "trade",
    "comeback",
    "edit_user",
    "password_reset_form",
    "second_factor",
    "confirm_address",
}
TEMPLATES = [path for path in kept() if path.parts[:2] == ("tbot_web", "templates")]
STYLES = [path for path in kept() if path.suffix == ".css" and "vendor" not in path.parts]


@pytest.mark.parametrize("slug", sorted(PAGES))
def test_a_page_has_all_its_parts(slug):
    page = PAGES[slug]
    assert page.title
    assert page.purpose or page.group is None
    assert page.permission
    assert page.phases
    assert (WEB / "templates" / f"{slug}.html").is_file()
    assert (WEB / "static/css/pages" / f"{slug}.css").is_file()


@pytest.mark.parametrize("kind", ["css", "js"])
def test_every_file_of_a_page_belongs_to_one(kind):
    found = {path.stem for path in (WEB / "static" / kind / "pages").iterdir()}
    assert found - PAGES.keys() - SISTERS == set()


def test_shortcuts_are_taken_once():
    letters = [page.shortcut for page in PAGES.values() if page.shortcut]
    assert len(letters) == len(set(letters))


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_templates_hold_no_script_style_or_foreign_address(path):
    text = text_of(path)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text), "inline script"
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text), "inline style or handler"
    assert not re.search(r"(?:src|href|action)=\"https?:", text), "foreign address"


@pytest.mark.parametrize("path", [one for one in STYLES if one.name != "tokens.css"], ids=str)
def test_colours_sizes_and_layers_come_from_the_tokens(path):
    text = re.sub(r"/\*.*?\*/", "", text_of(path), flags=re.DOTALL)
    assert not re.search(r":[^;{}]*#[0-9a-fA-F]{3,8}\b", text), "a colour outside the tokens"
    assert not re.search(r"font(?:-size)?:[^;]*\d+px", text), "a font size outside the tokens"
    assert not re.search(r"z-index:\s*-?\d", text), "a layer outside the tokens"


@pytest.mark.parametrize("path", [one for one in STYLES if one.parent.name == "pages"], ids=str)
def test_a_stylesheet_keeps_to_its_page(path):
    text = re.sub(r"/\*.*?\*/", "", text_of(path), flags=re.DOTALL)
    for selector in re.findall(r"(?:^|})\s*([^@{}]+){", re.sub(r"@(?:media|container|supports)[^{]*{", "", text)):
        for one in selector.split(","):
            step_of_animation = one.strip() in {"from", "to"} or one.strip().endswith("%")
            assert f".page-{path.stem}" in one or step_of_animation, one.strip()
