"""House numbers and bans; they only tighten."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.tidy.repository import ROOT, kept, python, text_of

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
FUNCTION_LINES_P95 = 40
CODE = python("tbot_bot", "tbot_web")
#: A call, what to use in its place, and the only files that may make it.
BANNED = {
    "float": ("Decimal or Fraction", {"tbot_bot/venue/synthetic.py"}),
    "print": ("the log, or say() at the terminal", set()),
    "eval": ("nothing", set()),
    "exec": ("nothing", set()),
    "datetime.now": ("an injected clock", {"tbot_bot/control/clock.py", "tbot_web/support/wall_clock.py"}),
    "datetime.utcnow": ("an injected clock", set()),
    "datetime.today": ("an injected clock", set()),
    "date.today": ("an injected clock", set()),
    "time.time": ("an injected clock, or time.monotonic for pauses", set()),
    "pickle.loads": ("JSON", set()),
    "os.system": ("subprocess with a list", set()),
}
PARSED = {path: ast.parse(text_of(path)) for path in CODE}


def functions() -> list[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [(path, node) for path, tree in PARSED.items() for node in ast.walk(tree) if isinstance(node, kinds)]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def test_files_stay_short():
    assert [(str(path), size) for path in CODE if (size := text_of(path).count("\n")) > FILE_LINES_MAX] == []


def test_functions_stay_short():
    lengths = [(length(node), f"{path}:{node.name}") for path, node in functions()]
    assert [item for item in lengths if item[0] > FUNCTION_LINES_MAX] == []
    assert sorted(lengths)[int(len(lengths) * 0.95)][0] <= FUNCTION_LINES_P95


def test_every_module_says_what_it_is():
    silent = [str(path) for path, tree in PARSED.items() if tree.body and not ast.get_docstring(tree)]
    assert [path for path in silent if "migrations" not in path] == []


@pytest.mark.parametrize("name", sorted(BANNED))
def test_banned_calls_are_not_made(name):
    instead, allowed = BANNED[name]
    found = [
        f"{path}:{node.lineno} use {instead}"
        for path, tree in PARSED.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and called(node) == name and str(path) not in allowed
    ]
    assert found == []


def test_no_assert_bare_except_or_shell_in_the_packages():
    found = []
    for path, tree in PARSED.items():
        for node in ast.walk(tree):
            bare = isinstance(node, ast.ExceptHandler) and node.type is None
            shell = isinstance(node, ast.keyword) and node.arg == "shell"
            if isinstance(node, ast.Assert) or bare or shell:
                found.append(f"{path}:{getattr(node, 'lineno', 0)}")
    assert found == []


def test_exceptions_to_the_rules_say_why():
    marks = re.compile(r"#\s*(?:noqa|type: ignore|pragma: no cover)[^#\n]*")
    for path in CODE:
        for number, line in enumerate(text_of(path).splitlines(), 1):
            found = marks.search(line)
            if found:
                reason = re.sub(
                    r"#\s*(?:noqa: ?[A-Z0-9, ]+|type: ignore\[[\w-]+\]|pragma: no cover)", "", line[found.start() :]
                )
                assert re.search(r"[a-z]{3}", reason), f"{path}:{number} gives no reason"


def test_the_domain_needs_only_the_standard_library():
    for path in CODE:
        if path.parts[:2] != ("tbot_bot", "domain"):
            continue
        for node in ast.walk(PARSED[path]):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.split(".")[0]
                assert top in sys.stdlib_module_names or name.startswith("tbot_bot.domain"), f"{path} imports {name}"


def test_sql_stays_in_storage_and_the_venues_journal():
    statement = re.compile(r"""["'](?:\s*)(?:SELECT |INSERT INTO |UPDATE \w+ SET |DELETE FROM |CREATE TABLE )""")
    allowed = ("tbot_bot/storage/", "tbot_bot/venue/journal")
    assert [str(path) for path in CODE if statement.search(text_of(path)) and not str(path).startswith(allowed)] == []


def test_nothing_names_a_machine_or_an_index():
    paths = re.compile(r"(?<![\w.])/(?:home|root|work|Users)/[\w.]+")
    indexes = re.compile(r"--(?:extra-)?index-url|--find-links|pypi\.org|files\.pythonhosted|registry\.npmjs")
    for path in kept():
        if path.suffix in {".png", ".ico"} or path.parts[0] == "tests" or "vendor" in path.parts:
            continue
        text = text_of(path)
        assert not paths.search(text), f"{path} names a folder of a machine: {paths.search(text)}"
        assert not indexes.search(text), f"{path} names a package index"


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "scripts/requirements-uv.txt"])
def test_locked_packages_carry_hashes(name):
    lines = (ROOT / name).read_text().splitlines()
    packages = [
        number for number, line in enumerate(lines) if re.match(r"^[a-z0-9][\w.-]*(\[[\w,]+\])?==", line, re.IGNORECASE)
    ]
    assert packages
    for number in packages:
        assert lines[number].endswith("\\"), f"{lines[number]} has no hash"
        assert lines[number + 1].strip().startswith("--hash=sha256:")
