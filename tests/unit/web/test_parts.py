"""Each page has its parts, and no template brings its own script or style."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tbot_web
from tbot_bot.config.paths import Home as RunnersHome
from tbot_web.py import discover
from tbot_web.support.home import Home

ROOT = Path(tbot_web.__file__).parent
PAGES = [module.page for module in discover()]
TEMPLATES = sorted((ROOT / "templates").glob("*.html"))
OWN = ("index", "configuration", "wait", "register", "account", "error", "shutdown")


@pytest.mark.parametrize("slug", sorted({page.slug for page in PAGES} | set(OWN)))
def test_a_page_has_a_template_and_one_stylesheet(slug: str) -> None:
    assert (ROOT / "templates" / f"{slug}.html").is_file()
    assert (ROOT / "static" / "css" / "pages" / f"{slug}.css").is_file()


@pytest.mark.parametrize("slug", OWN)
def test_a_stylesheet_is_scoped_to_its_page_and_uses_the_tokens(slug: str) -> None:
    css = (ROOT / "static" / "css" / "pages" / f"{slug}.css").read_text()
    selectors = re.findall(r"^([^\s@}/][^{}]*)\{", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL), re.MULTILINE)
    assert selectors
    assert all(part.strip().startswith(f".page-{slug}") for one in selectors for part in one.split(","))
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)|font-size:\s*\d+px|z-index:\s*\d", css)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_script_or_style_in_a_template(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_form_that_changes_something_carries_a_token(template: Path) -> None:
    forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", template.read_text(), re.DOTALL)
    assert all("csrf()" in form for form in forms)


def test_pages_are_told_apart() -> None:
    shortcuts = [page.shortcut for page in PAGES if page.shortcut]
    slugs = [page.slug for page in PAGES]
    assert len(set(shortcuts)) == len(shortcuts)
    assert len(set(slugs)) == len(slugs)
    assert all(page.panel for page in PAGES if page.group)


def test_portal_and_runner_mean_the_same_files(tmp_path: Path) -> None:
    ours, theirs = Home(tmp_path), RunnersHome(tmp_path)
    assert (ours.control, ours.flags, ours.runner_socket) == (theirs.control, theirs.flags, theirs.runner_socket)
    theirs.control.mkdir()
    theirs.bot_state.write_text("idle\n")
    theirs.epoch.write_text("41")
    assert (ours.state(), ours.epoch()) == ("idle", "41")
    assert Home.from_environment({"TBOT_HOME": str(tmp_path)}) == ours


def test_the_status_document_is_in_the_only_output_folder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.status_document() is None
    (tmp_path / "output" / "RIGD_US_SIM_001").mkdir(parents=True)
    assert home.status_document() == tmp_path / "output" / "RIGD_US_SIM_001" / "status.json"
    (tmp_path / "output" / "OTHER").mkdir()
    assert home.status_document() is None
