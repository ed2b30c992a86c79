"""A page under observation: what its console says, what it asks of foreign origins, how it looks and reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Frame, Page, Request, expect

from tests.support.running import REPOSITORY, wait_for

SCREENSHOTS = REPOSITORY / "test-output" / "screenshots"
THEMES = ("light", "dark")
DESKTOP, PHONE, NARROWEST = (1440, 900), (390, 844), (320, 640)
#: Each frame is looked at by itself, so that a fault is named by its own page.
EVERY_RULE: dict[str, Any] = {"resultTypes": ["violations"], "iframes": False}
#: Of all rules only contrast depends on the theme, and it alone does not depend on the width.
RULES = {
    ("light", DESKTOP): EVERY_RULE,
    ("dark", DESKTOP): EVERY_RULE | {"runOnly": ["color-contrast"]},
    ("light", PHONE): EVERY_RULE | {"rules": {"color-contrast": {"enabled": False}}},
}
_AXE = Axe()
#: What sticks out sideways although nothing around it scrolls.
_STICKING_OUT = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.body.querySelectorAll('*')]
    .filter((one) => one.getBoundingClientRect().right > width + 1)
    .slice(0, 5)
    .map((one) => `${one.tagName.toLowerCase()}.${one.className} to ${one.getBoundingClientRect().right}`);
}"""
_QUIET = "() => document.getAnimations().every((one) => one.playState !== 'running')"


class Watched:
    """One browser context with one page; `faults` is what the console and the network said that they must not."""

    def __init__(self, browser: Browser, base: str) -> None:
        self.context: BrowserContext = browser.new_context(
            base_url=base, viewport=_viewport(DESKTOP), color_scheme="light"
        )
        self.base = base
        self.faults: list[str] = []
        self._excused: list[re.Pattern[str]] = []
        self.page = self.new_page()

    def new_page(self) -> Page:
        """One more tab of the same person."""
        page = self.context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self._note(f"uncaught {error}"))
        page.on("request", self._asked)
        return page

    @contextmanager
    def excusing(self, *patterns: str) -> Iterator[None]:
        """Within, console lines that match are part of what is tested."""
        self._excused = [re.compile(pattern) for pattern in patterns]
        try:
            yield
        finally:
            self._excused = []

    def close(self) -> None:
        self.context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._note(f"{message.type} {message.text} at {message.location.get('url', '')}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.base + "/", "data:", "blob:")):
            self._note(f"foreign request {request.url}")

    def _note(self, fault: str) -> None:
        if not any(pattern.search(fault) for pattern in self._excused):
            self.faults.append(fault)


def look(page: Page, name: str, *, full: bool = True) -> list[str]:
    """Take the page's pictures in both themes at both widths; return what is wrong with it in words.

    Wrong is what axe finds in either theme and on a phone, and what makes the page scroll sideways at 320 pixels.
    """
    wrong: list[str] = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for size in (DESKTOP, PHONE):
            page.set_viewport_size(_viewport(size))
            page.wait_for_function(_QUIET)
            _picture(page, f"{name}-{theme}-{size[0]}", full=full)
            if rules := RULES.get((theme, size)):
                wrong += [f"{name} {theme} {size[0]}: {found}" for found in violations(page, rules)]
    page.set_viewport_size(_viewport(NARROWEST))
    wrong += [f"{name} at 320: {found}" for found in sticking_out(page)]
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(_viewport(DESKTOP))
    return wrong


def glance(page: Page, name: str) -> list[str]:
    """One picture and one look by axe at a page that will not wait."""
    _picture(page, f"{name}-light-{DESKTOP[0]}", full=True)
    return [f"{name}: {found}" for found in violations(page)]


def violations(page: Page, rules: dict[str, Any] = EVERY_RULE) -> list[str]:
    """What axe finds in the page and in each frame that is shown, one line an element."""
    found = []
    for frame in shown_frames(page):
        for violation in _AXE.run(frame, options=rules).response["violations"]:
            found += [_violation_line(frame, violation, node) for node in violation["nodes"]]
    return found


def sticking_out(page: Page) -> list[str]:
    """What makes the page or a shown frame scroll sideways."""
    return [f"{_path(frame)} {found}" for frame in shown_frames(page) for found in frame.evaluate(_STICKING_OUT)]


def shown_frames(page: Page) -> list[Frame]:
    """The page itself and the frames that a person sees."""
    return [frame for frame in page.frames if frame.parent_frame is None or frame.frame_element().is_visible()]


def panel_frame(page: Page, panel: str) -> Frame:
    """The panel's frame once its page stands in it."""
    handle = page.locator(f"iframe[data-panel={panel}]").element_handle()
    frame = wait_for(handle.content_frame)
    frame.wait_for_load_state("load")
    expect(frame.locator("h1")).to_be_visible()
    return frame


def look_again(page: Page) -> None:
    """Do what the console does when a person comes back to its tab: ask for the status at once."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def _picture(page: Page, name: str, *, full: bool) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    # a page of many thousand pixels takes its time on a machine that has other work
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=full, animations="disabled", timeout=60_000)


def _violation_line(frame: Frame, violation: dict[str, Any], node: dict[str, Any]) -> str:
    why = "; ".join(check["message"] for check in node["any"] + node["all"] + node["none"])
    return f"{_path(frame)} {violation['id']} at {' '.join(map(str, node['target']))}: {why}"


def _path(frame: Frame) -> str:
    return "/" + frame.url.split("/", 3)[-1]


def _viewport(size: tuple[int, int]) -> Any:
    return {"width": size[0], "height": size[1]}
