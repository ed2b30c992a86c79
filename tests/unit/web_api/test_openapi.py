"""The document says what the routes do: nothing is left out, all references hold, answers are as declared."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask, jsonify
from pydantic import Field

from tbot_bot import VERSION
from tbot_bot.api import control
from tbot_bot.api.errors import Problem
from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.model import Message
from tbot_bot.api.permissions import Permission
from tbot_bot.api.setup import Progress
from tbot_bot.api.trades import TradePage
from tbot_web.py.start_stop_web import ActBody
from tbot_web.support import security_users
from tbot_web.support.answers import SessionEnds
from tbot_web.support.openapi import Declared, declared, document, documented
from tbot_web.support.page import Page
from tbot_web.support.security_users import needed
from tests.unit.web.canned import SETUP_SESSION, CannedRunner
from tests.unit.web.conftest import Served
from tests.unit.web.pages import Browser

#: The one address under /api that is a page.
PAGES_UNDER_API = {"/api/docs"}
#: How a view that answers a program by itself gives itself away.
_ANSWERS_PROGRAMS = re.compile(r"\bjsonify\(|\b_?json(_answer)?\(|application/json|text/plain; version")
#: A place in a rule; its converter may say what it takes.
_PLACE = re.compile(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>")
PLACES = {
    "category": "smtp",
    "act": "pause",
    "trade_id": "T-20101119-0008",
    "name": "open.log",
    "seq": "7",
    "person": "2",
}
TEXTS = {
    "cursor": "10",
    "symbol": "SPY",
    "strategy": "open",
    "day": "2010-11-19",
    "level": "info",
    "text": "order",
    "file": "7",
    "account": "1.10",
    "from_day": "2010-11-19",
    "to_day": "2010-11-19",
    "since": "2026-11-22T07:00:00Z",
    "until": "2026-11-22T08:00:00Z",
}


def undeclared(app: Flask) -> list[str]:
    """Routes for programs whose view declares nothing."""
    return [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule not in PAGES_UNDER_API
        and ("/api" in rule.rule or _ANSWERS_PROGRAMS.search(inspect.getsource(app.view_functions[rule.endpoint])))
        and declared(app, rule.endpoint) is None
    ]


def operations(found: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def references(part: Any) -> Iterator[str]:
    """Every $ref anywhere below."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


def followed(found: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/"), reference
    part: Any = found
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part


class TestNothingIsLeftOut:
    @pytest.mark.parametrize("phase", Phase)
    def test_every_route_for_programs_is_declared(self, made: Callable[[Phase], Flask], phase: Phase) -> None:
        assert undeclared(made(phase)) == []

    def test_a_route_without_a_declaration_is_noticed(self) -> None:
        app = Flask("bare")
        app.add_url_rule("/trades/api/undeclared", "a", lambda: "")
        app.add_url_rule("/elsewhere", "b", lambda: jsonify(done=True))
        app.add_url_rule("/a/page", "c", lambda: "<html>")
        assert undeclared(app) == ["/trades/api/undeclared", "/elsewhere"]

    def test_every_declared_route_is_in_the_document(self, app: Flask) -> None:
        listed = {(method, path) for method, path, _ in operations(document(app))}
        there = {
            (method, _PLACE.sub(r"{\1}", rule.rule))
            for rule in app.url_map.iter_rules()
            if declared(app, rule.endpoint)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }
        assert listed == there
        assert {("GET", "/status/api"), ("POST", "/control/api/{act}"), ("GET", "/api/openapi.json")} <= listed

    def test_every_field_and_parameter_says_what_it_means(self, app: Flask) -> None:
        found = document(app)
        silent = [
            f"{name}.{field}"
            for name, schema in found["components"]["schemas"].items()
            for field, described in schema.get("properties", {}).items()
            if not described.get("description")
        ]
        silent += [
            f"{path} {parameter['name']}"
            for _, path, operation in operations(found)
            for parameter in operation["parameters"]
            if not parameter["description"]
        ]
        assert silent == []


class TestStructure:
    @pytest.fixture
    def found(self, app: Flask) -> dict[str, Any]:
        return json.loads(json.dumps(document(app)))

    def test_it_is_openapi_3_1_of_this_version(self, found: dict[str, Any]) -> None:
        assert found["openapi"] == "3.1.0"
        assert found["info"]["version"] == VERSION
        assert found["info"]["title"]
        assert found.keys() == {"openapi", "info", "tags", "paths", "components"}

    @pytest.mark.parametrize("phase", [None, *Phase])
    def test_every_reference_leads_somewhere(self, made: Callable[[Phase | None], Flask], phase: Phase | None) -> None:
        found = document(made(phase))
        for reference in references(found):
            assert followed(found, reference), reference

    def test_every_schema_is_referred_to(self, found: dict[str, Any]) -> None:
        named = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
        assert named == set(references(found)) - {"#/components/responses/Problem"}

    def test_operations_are_told_apart_and_filed(self, found: dict[str, Any]) -> None:
        ids = [operation["operationId"] for _, _, operation in operations(found)]
        assert len(ids) == len(set(ids))
        assert all(re.fullmatch(r"[a-z][a-z0-9_]+", one) for one in ids)
        tags = {tag["name"] for tag in found["tags"]}
        for _, path, operation in operations(found):
            assert set(operation["tags"]) <= tags, path
            assert operation["summary"].endswith("."), path

    def test_parameters_in_the_path_are_those_of_the_path(self, found: dict[str, Any]) -> None:
        for _, path, operation in operations(found):
            said = [one for one in operation["parameters"] if one["in"] == "path"]
            assert {one["name"] for one in said} == set(re.findall(r"{(\w+)}", path))
            assert all(one["required"] for one in said)
            places = [(one["name"], one["in"]) for one in operation["parameters"]]
            assert len(places) == len(set(places))

    def test_failures_are_one_problem_document(self, found: dict[str, Any]) -> None:
        (media,) = found["components"]["responses"]["Problem"]["content"]
        assert media == "application/problem+json"
        for method, path, operation in operations(found):
            answers = operation["responses"]
            assert "content" in answers["200"]
            failures = {status: answer for status, answer in answers.items() if status != "200"}
            assert {one["$ref"] for one in failures.values()} == {"#/components/responses/Problem"}
            assert ("401" in failures) == bool(operation["security"]), path
            assert {"409", "422", "429"} <= failures.keys() or method == "GET"

    def test_changes_need_the_token_and_the_open_ones_nothing(self, found: dict[str, Any]) -> None:
        schemes = found["components"]["securitySchemes"]
        assert (schemes["session"]["in"], schemes["csrf"]["name"]) == ("cookie", "X-CSRFToken")
        for method, path, operation in operations(found):
            for proof in operation["security"]:
                assert proof.keys() <= schemes.keys()
                assert ("csrf" in proof) == (method != "GET"), path
        assert [path for _, path, one in operations(found) if not one["security"]] == ["/healthz", "/readyz"]

    def test_an_act_is_one_of_those_there_are(self, found: dict[str, Any]) -> None:
        act, key = found["paths"]["/control/api/{act}"]["post"]["parameters"]
        assert followed(found, act["schema"]["$ref"])["enum"] == [str(one) for one in control.Act]
        assert (key["name"], key["required"]) == ("Idempotency-Key", False)


def test_declaring_leaves_the_view_as_it_is() -> None:
    def view() -> str:
        return "as it is"

    assert documented("Something.")(view) is view


def test_a_later_page_is_described_by_its_rule_alone() -> None:
    class Asked(Message):
        number: int = Field(ge=7, description="Which.")
        limit: int | None = None
        must: str

    class Later(Message):
        done: bool

    @documented("Later.", answer=Later, address=Asked, body=Later)
    def view(number: int, rest: str) -> str:
        return f"{number} {rest}"

    app, blueprint = Flask("later"), Blueprint("later", __name__)
    blueprint.add_url_rule("/api/<int:number>/<path:rest>", view_func=view, methods=["GET", "PUT"])
    app.register_blueprint(blueprint, url_prefix="/later")
    page = Page("later", "Later", "What comes.", "/later", Permission.STATUS_VIEW, frozenset({Phase.MAIN}))
    app.extensions["pages"] = {"later": page}
    security_users.install(app, Phase.MAIN, {"later": page})
    found = document(app)
    get, put = found["paths"]["/later/api/{number}/{rest}"].values()
    assert (get["operationId"], put["operationId"]) == ("get_later_view", "put_later_view")
    shown = [(one["name"], one["in"], one["required"], one["schema"].get("type")) for one in get["parameters"]]
    assert shown == [
        ("number", "path", True, "integer"),
        ("rest", "path", True, "string"),
        ("limit", "query", False, "integer"),
        ("must", "query", True, "string"),
    ]
    assert get["parameters"][0]["schema"]["minimum"] == 7
    assert "default" not in get["parameters"][2]["schema"]
    assert "Asked" not in found["components"]["schemas"]
    assert found["tags"] == [{"name": "Later", "description": "What comes."}]


class TestAnswers:
    """What the portal really answers is what the document declares."""

    @pytest.fixture
    def reads(self, app: Flask) -> dict[str, Declared]:
        """What is read in the main phase, its parameters filled in."""
        rules = {rule.rule: rule.endpoint for rule in app.url_map.iter_rules() if needed(app, rule.endpoint)}
        found = {rule: declared(app, endpoint) for rule, endpoint in rules.items() if "GET" in methods(app, endpoint)}
        return {_PLACE.sub(lambda one: PLACES[one[1]], rule): said for rule, said in found.items() if said}

    def test_every_read(self, admin: Browser, reads: dict[str, Declared]) -> None:
        assert len(reads) > 10
        for path, said in reads.items():
            answer = admin.poll(path)
            assert answer.status_code == 200, (path, answer.text)
            assert answer.headers["Content-Type"].partition(";")[0] == said.media_type, path
            if said.answer:
                assert said.answer.model_validate_json(answer.content), path

    def test_open_trades_too(self, admin: Browser, reads: dict[str, Declared]) -> None:
        answer = admin.poll("/trades/api?state=open&sort=pnl&order=asc")
        assert TradePage.model_validate_json(answer.content).items

    def test_every_parameter_is_taken_within_its_bounds_and_refused_beyond(self, admin: Browser, app: Flask) -> None:
        tried = 0
        for method, path, operation in operations(document(app)):
            at = re.sub(r"{(\w+)}", lambda one: PLACES[one[1]], path)
            for one in operation["parameters"]:
                if method != "GET" or one["in"] != "query":
                    continue
                within, beyond = samples(one["name"], one["schema"])
                for value in within:
                    assert admin.poll(f"{at}?{one['name']}={value}").status_code == 200, (at, one["name"], value)
                for value in beyond:
                    refused = admin.poll(f"{at}?{one['name']}={value}")
                    assert refused.status_code == 400, (at, one["name"], value)
                    assert Problem.model_validate_json(refused.content).code
                tried += len(beyond)
        assert tried >= 7

    def test_changes(self, admin: Browser, runner: CannedRunner) -> None:
        token = re.findall(r'name="csrf-token" content="([^"]+)"', admin.get("/").text)[0]
        ends = admin.post("/extend", X_CSRFToken=token)
        assert SessionEnds.model_validate_json(ends.content).expires_at
        runner.special["control.pause"] = lambda *_: control.ActOutcome(state="trading", message="Paused.")
        headers = {"X-CSRFToken": token, "Idempotency-Key": "pause-0001"}
        body = ActBody(reason="lunch").model_dump()
        done = admin.http.post("/control/api/pause", json=body, headers=headers)
        assert control.ActOutcome.model_validate_json(done.content).message == "Paused."
        name, caller, asked = runner.calls[-1]
        assert (name, caller.request_id, asked) == ("control.pause", "pause-0001", control.ActRequest(reason="lunch"))

    def test_the_steps_of_the_set_up(self, web: Served, runner: CannedRunner) -> None:
        runner.publish("provisioning")
        answer = web.browser(tbot_setup=SETUP_SESSION).poll("/configuration/api/progress")
        assert Progress.model_validate_json(answer.content).steps

    def test_a_failure_is_a_problem(self, web: Served, admin: Browser) -> None:
        for answer in (web.browser().poll("/status/api"), admin.poll("/trades/api?limit=0"), admin.poll("/api/no")):
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert Problem.model_validate_json(answer.content).status == answer.status_code


def methods(app: Flask, endpoint: str) -> set[str]:
    return {method for rule in app.url_map.iter_rules(endpoint) for method in rule.methods or ()}


def samples(name: str, schema: dict[str, Any]) -> tuple[list[object], list[object]]:
    """Values of a parameter that its schema allows, and values that it does not."""
    if "enum" in schema:
        # a state that is none of the two asks for the closed ones, as the page does
        return schema["enum"], [] if name == "state" else ["nonsense"]
    if "minimum" in schema:
        return [schema["minimum"], schema["maximum"]], [schema["minimum"] - 1, schema["maximum"] + 1]
    if "maxLength" in schema:
        return ["x" * schema["maxLength"]], ["x" * (schema["maxLength"] + 1)]
    if schema["type"] == "integer":
        return [5], []
    return [TEXTS[name]], ["yesterday"] if name == "day" else []
