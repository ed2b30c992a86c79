"""One module a page: `<page>_web.py` exports PAGE and `blueprint`, and is found here."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the server process starts from this package and stays small without Flask
    from flask import Blueprint

    from tbot_web.support.page import Page


@dataclass(frozen=True, slots=True)
class PageModule:
    """A page and the views under it."""

    page: Page
    blueprint: Blueprint


@cache
def discover() -> tuple[PageModule, ...]:
    """Import every page module of this package, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name.endswith("_web"))
    modules = [import_module(f"{__name__}.{name}") for name in names]
    return tuple(PageModule(module.PAGE, module.blueprint) for module in modules if hasattr(module, "PAGE"))
