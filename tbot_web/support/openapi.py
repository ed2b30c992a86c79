"""The OpenAPI 3.1 document of the portal: built from the routes and from what each view declares of itself.

A view that answers JSON carries `@documented(...)`. The declaration is an attribute of the view and costs a request
nothing; a test fails for a JSON route without one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from werkzeug.routing import Rule

from tbot_bot import VERSION
from tbot_bot.api.errors import Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_web.support import cookies
from tbot_web.support.page import Page
from tbot_web.support.security_users import Need, declared_needs

View = TypeVar("View", bound=Callable[..., Any])
Json = dict[str, Any]

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
_SCHEMAS = "#/components/schemas/"
_REFERENCE = _SCHEMAS + "{model}"
_PROBLEM = {"$ref": "#/components/responses/Problem"}
_NULL = {"type": "null"}
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PLACE = re.compile(r"<(?:(?P<converter>\w+)(?:\([^)]*\))?:)?(?P<name>\w+)>")
_OF_CONVERTER = {"int": "integer"}
_CORE = ("System", "What every phase has: health and counters, for machines.")
_ABOUT = (
    "What the console shows and does, for programs. Money, prices and quantities are decimal text; times are RFC 3339 "
    "in UTC; null is unknown and never zero. Lists are `items` and `next`, the cursor of the next page. A change "
    "carries the token that every page holds in its meta element `csrf-token` as the header `X-CSRFToken`. Failures "
    "are problem documents (RFC 9457) that say what happened, what still works and what to do next."
)
_SECURITY_SCHEMES: Json = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": cookies.SESSION,
        "description": f"Set by signing in at `/login`; behind TLS its name is `__Host-{cookies.SESSION}`.",
    },
    "setup": {
        "type": "apiKey",
        "in": "cookie",
        "name": cookies.SETUP,
        "description": "Set in exchange for the setup token, until an administrator exists.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRFToken",
        "description": "The content of the meta element `csrf-token` of any page.",
    },
}
_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A name of your own for this change: asked again under the same name, it is done once.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{8,64}$"},
}


@dataclass(frozen=True, slots=True)
class Declared:
    """What a view says of itself; see `documented`."""

    summary: str
    answer: type[BaseModel] | None
    address: type[BaseModel] | None
    body: type[BaseModel] | None
    media_type: str
    repeatable: bool


def documented(
    summary: str,
    *,
    answer: type[BaseModel] | None = None,
    address: type[BaseModel] | None = None,
    body: type[BaseModel] | None = None,
    media_type: str = JSON,
    repeatable: bool = False,
) -> Callable[[View], View]:
    """Declare what a view is for, in one sentence, and the models of what it takes and answers.

    The fields of `address` are the parameters in path and query. Without `answer` the answer is plain text of
    `media_type`. A `repeatable` change takes an Idempotency-Key.
    """

    def declare(view: View) -> View:
        view.__documented__ = Declared(summary, answer, address, body, media_type, repeatable)  # type: ignore[attr-defined]  # an attribute of our own
        return view

    return declare


def declared(app: Flask, endpoint: str) -> Declared | None:
    """What the view behind an endpoint declared."""
    return getattr(app.view_functions[endpoint], "__documented__", None)


def document(app: Flask) -> Json:
    """The OpenAPI document of everything that the app's views declare."""
    operations = list(_operations(app))
    schemas = _Schemas(operations)
    paths: dict[str, Json] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _described(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "RIGD TradeBot", "version": VERSION, "description": _ABOUT},
        "tags": _tags(operations),
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "responses": {
                "Problem": {
                    "description": "What happened, what still works, what to do next.",
                    "content": {PROBLEM_JSON: {"schema": schemas.of(Problem, "serialization")}},
                }
            },
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


@dataclass(frozen=True, slots=True)
class _Operation:
    """One method of one route, with its declaration."""

    method: str
    rule: Rule
    declared: Declared
    page: Page | None
    need: Need

    @property
    def path(self) -> str:
        return _PLACE.sub(r"{\g<name>}", self.rule.rule)

    @property
    def places(self) -> dict[str, str]:
        """The parameters in the path and their converters."""
        return {found["name"]: found["converter"] or "" for found in _PLACE.finditer(self.rule.rule)}

    @property
    def tag(self) -> tuple[str, str]:
        return (self.page.title, self.page.purpose) if self.page else _CORE

    @property
    def changes(self) -> bool:
        return self.method in _CHANGES


class _Schemas:
    """The JSON schemas of every declared model, by model and direction."""

    def __init__(self, operations: list[_Operation]) -> None:
        models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Problem, "serialization")]
        for one in operations:
            said = one.declared
            models += [(model, "validation") for model in (said.address, said.body) if model]
            models += [(said.answer, "serialization")] if said.answer else []
        unique = list(dict.fromkeys(models))
        self._found, definitions = models_json_schema(unique, ref_template=_REFERENCE)
        self._all: dict[str, Json] = definitions["$defs"]
        self._inlined = {self._name(one.declared.address) for one in operations if one.declared.address}

    def of(self, model: type[BaseModel], mode: JsonSchemaMode) -> Json:
        """The reference to a model's schema."""
        return self._found[model, mode]

    def fields(self, model: type[BaseModel]) -> dict[str, tuple[Json, bool]]:
        """The schema of each field of an address, and whether it must be given."""
        schema = self._all[self._name(model)]
        required = schema.get("required", ())
        return {name: (field, name in required) for name, field in schema["properties"].items()}

    def components(self) -> dict[str, Json]:
        """Every schema that is referred to; those of addresses became parameters."""
        return {name: schema for name, schema in sorted(self._all.items()) if name not in self._inlined}

    def _name(self, model: type[BaseModel]) -> str:
        reference: str = self.of(model, "validation")["$ref"]
        return reference.removeprefix(_SCHEMAS)


def _operations(app: Flask) -> Iterator[_Operation]:
    """Every documented operation, ordered by page, address and method."""
    pages: dict[str, Page] = app.extensions["pages"]
    found = []
    for rule in app.url_map.iter_rules():
        said = declared(app, rule.endpoint)
        if said is not None:
            need = declared_needs(app, rule.endpoint)[0]
            page = pages.get(rule.endpoint.rpartition(".")[0])
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            found += [_Operation(method, rule, said, page, need) for method in methods]
    place = {page.title: (page.place, page.title) for page in pages.values()}
    yield from sorted(found, key=lambda one: (place.get(one.tag[0], (0, "")), one.path, one.method))


def _tags(operations: list[_Operation]) -> list[Json]:
    return [{"name": name, "description": purpose} for name, purpose in dict.fromkeys(one.tag for one in operations)]


def _described(one: _Operation, schemas: _Schemas) -> Json:
    said = one.declared
    found: Json = {
        "operationId": f"{one.method.lower()}_{one.rule.endpoint.replace('.', '_')}",
        "tags": [one.tag[0]],
        "summary": said.summary,
        "description": _where(one),
        "security": _security(one),
        "parameters": _parameters(one, schemas),
    }
    if said.body:
        content = {JSON: {"schema": schemas.of(said.body, "validation")}}
        found["requestBody"] = {"required": True, "content": content}
    schema = schemas.of(said.answer, "serialization") if said.answer else {"type": "string"}
    done = {"description": "Done.", "content": {said.media_type: {"schema": schema}}}
    found["responses"] = {"200": done} | dict.fromkeys([*_failures(one), "default"], _PROBLEM)
    return found


def _where(one: _Operation) -> str:
    """Who may ask, and in which phases there is an answer."""
    asked = {
        Permission.PUBLIC: "Needs no login.",
        Permission.SETUP: "Needs the setup session.",
    }.get(one.need.permission, f"Needs the permission {one.need.permission}.")
    loaded = one.need.phases or (one.page.phases if one.page else frozenset(Phase))
    return f"{asked} Loaded in phase {', '.join(phase for phase in Phase if phase in loaded)}."


def _security(one: _Operation) -> list[dict[str, list[str]]]:
    if one.need.permission is Permission.PUBLIC:
        return []
    needed = ["setup" if one.need.permission is Permission.SETUP else "session"]
    return [{name: [] for name in [*needed, *(["csrf"] if one.changes else [])]}]


def _parameters(one: _Operation, schemas: _Schemas) -> list[Json]:
    fields = schemas.fields(one.declared.address) if one.declared.address else {}
    in_path = {
        name: fields.pop(name, ({"type": _OF_CONVERTER.get(kind, "string")}, True))[0]
        for name, kind in one.places.items()
    }
    found = [_parameter(name, "path", schema, required=True) for name, schema in in_path.items()]
    found += [_parameter(name, "query", schema, required=must) for name, (schema, must) in fields.items()]
    return [*found, _IDEMPOTENCY_KEY] if one.declared.repeatable else found


def _parameter(name: str, place: str, schema: Json, *, required: bool) -> Json:
    described = {key: value for key, value in schema.items() if key not in {"description", "anyOf"}}
    for choice in schema.get("anyOf", ()):
        described |= {} if choice == _NULL else choice  # an address cannot say null: it leaves the parameter out
    if described.get("default", "") is None:
        del described["default"]
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": schema.get("description", ""),
        "schema": described,
    }


def _failures(one: _Operation) -> list[str]:
    """The statuses of failures that this kind of operation may answer with."""
    found = {"503"}
    if one.need.permission is not Permission.PUBLIC:
        found |= {"401", "403", "404"}
    if one.declared.address or one.changes:
        found |= {"400"}
    if one.changes:
        found |= {"409", "422", "429"}
    return sorted(found)
