"""`/api/docs` and `/api/openapi.json`: what programs may ask of the portal, for people and for programs."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify, render_template, request

from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_web.support import openapi
from tbot_web.support.answers import ApiDocument
from tbot_web.support.api_view import Reference
from tbot_web.support.openapi import documented
from tbot_web.support.page import CHECK, Page

PAGE = Page(
    slug="api_docs",
    title="API",
    purpose="What programs may ask, and what they are answered.",
    prefix="/api",
    permission=Permission.STATUS_VIEW,
    phases=frozenset({Phase.MAIN}),
    group=CHECK,
    panel=True,
    place=90,
    start="/docs",
)
blueprint = Blueprint("api_docs", __name__)


@blueprint.get("/docs")
def show() -> str:
    """The panel."""
    text = request.args.get("text", "").strip()
    return render_template("api_docs.html", page=PAGE, text=text, reference=Reference.of(_document()).matching(text))


@blueprint.get("/openapi.json")
@documented("This interface as an OpenAPI 3.1 document.", answer=ApiDocument)
def document() -> Response:
    """The document that tools read."""
    return jsonify(_document())


def _document() -> openapi.Json:
    """The document of this application, made once."""
    if "openapi" not in current_app.extensions:
        current_app.extensions["openapi"] = openapi.document(current_app)
    made: openapi.Json = current_app.extensions["openapi"]
    return made
