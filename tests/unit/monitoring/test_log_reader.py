"""Pages of a log against a reader that simply reads everything."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.api.logs import AskLog, LogLine, LogPage
from tbot_bot.monitoring import log_reader
from tbot_bot.monitoring.log_book import FILES_KEPT, RotatingLines, _Rotating
from tbot_bot.monitoring.log_reader import parse_line, read_log

LEVELS = ("debug", "info", "warning", "error", "critical")


def line(number: int, level: str = "info", **more: Any) -> str:
    return json.dumps({"at": f"t{number}", "level": level, "event": f"event {number}", "source": "bot"} | more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "system.log"


def fill(path: Path, *lines: str, end: str = "\n") -> None:
    with path.open("a") as stream:
        stream.write("\n".join(lines) + end)


def ask(path: Path, **wishes: Any) -> LogPage:
    return read_log(path, AskLog(name="system", **wishes))


def shown(page: LogPage) -> list[str]:
    return [one.message for one in page.items]


def test_a_log_that_was_not_written_yet_is_empty(path: Path) -> None:
    assert ask(path) == LogPage(items=[], before=None, after=0)
    path.touch()
    page = ask(path)
    assert (page.items, page.before, page.after) == ([], None, 0)


def test_the_newest_come_first_page_by_page_oldest_first_in_each(path: Path) -> None:
    fill(path, *map(line, range(7)))
    last = ask(path, limit=3)
    assert shown(last) == ["event 4", "event 5", "event 6"]
    assert last.after == path.stat().st_size
    middle = ask(path, limit=3, before=last.before)
    assert shown(middle) == ["event 1", "event 2", "event 3"]
    first = ask(path, limit=3, before=middle.before)
    assert (shown(first), first.before) == (["event 0"], None)


def test_a_page_that_ends_with_the_first_line_is_the_last(path: Path) -> None:
    fill(path, *map(line, range(3)))
    assert ask(path, limit=3).before is None


def test_following_tells_what_was_added_once(path: Path) -> None:
    fill(path, line(0))
    page = ask(path)
    assert shown(ask(path, after=page.after)) == []
    fill(path, line(1), line(2), line(3))
    page = ask(path, after=page.after, limit=2)
    assert (shown(page), page.before) == (["event 1", "event 2"], None)
    page = ask(path, after=page.after)
    assert shown(page) == ["event 3"]
    assert shown(ask(path, after=page.after)) == []


def test_a_line_that_is_being_written_waits_for_its_end(path: Path) -> None:
    fill(path, line(0))
    page = ask(path, after=0)
    fill(path, '{"event": "ha', end="")
    page = ask(path, after=page.after)
    assert shown(page) == []
    fill(path, 'lf"}')
    assert shown(ask(path, after=page.after)) == ["half"]


def test_a_line_that_is_being_written_is_not_shown_in_halves(path: Path) -> None:
    fill(path, line(0))
    fill(path, '{"event": "ha', end="")
    page = ask(path)
    fill(path, 'lf"}')
    assert shown(page) + shown(ask(path, after=page.after)) == ["event 0", "half"]


def test_a_log_that_started_anew_is_followed_from_its_beginning(path: Path) -> None:
    fill(path, *map(line, range(9)))
    page = ask(path)
    path.rename(path.with_name("system.log.1"))
    fill(path, line(9), line(10))
    page = ask(path, after=page.after)
    assert shown(page) == ["event 9", "event 10"]
    assert page.after == path.stat().st_size


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(1, 4))
@settings(deadline=None)
def test_following_across_new_files_tells_each_line_once_and_whole(
    tmp_path_factory: pytest.TempPathFactory, written: list[int], limit: int
) -> None:
    """Between two questions some lines are written and then the file is begun anew."""
    path = tmp_path_factory.mktemp("log") / "system.log"
    fill(path, line(-1))
    page = ask(path)
    seen, number = shown(page), 0
    for count in written:
        fill(path, *(line(one, text="x" * one) for one in range(number, number + count)), end="\n" * bool(count))
        number += count
        renewed(path)
        page = ask(path, after=page.after, file=page.file, limit=limit)
        seen += shown(page)
    while page.items:
        page = ask(path, after=page.after, file=page.file, limit=limit)
        seen += shown(page)
    assert seen == [f"event {one}" for one in range(-1, number)]


def renewed(path: Path) -> None:
    """Begin the log anew as its writer does."""
    with contextlib.closing(_Rotating(path, maxBytes=1, backupCount=FILES_KEPT)) as handler:
        handler.doRollover()


def test_older_lines_stay_where_they_were_when_the_file_is_begun_anew(path: Path) -> None:
    fill(path, *map(line, range(4)))
    page = ask(path, limit=2)
    renewed(path)
    fill(path, line(4))
    assert shown(ask(path, before=page.before, file=page.file)) == ["event 0", "event 1"]


def test_a_file_that_is_gone_is_left_for_the_newest(path: Path) -> None:
    fill(path, *map(line, range(3)))
    assert shown(ask(path, after=7, file="1")) == ["event 0", "event 1", "event 2"]
    assert shown(ask(path, before=7, file="1", limit=1)) == ["event 2"]


def test_a_position_beyond_the_end_pages_from_the_end(path: Path) -> None:
    fill(path, line(0))
    assert shown(ask(path, before=10**9)) == ["event 0"]
    assert shown(ask(path, before=0)) == []


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        ({"level": "warning"}, [2, 3, 4]),
        ({"level": "CRITICAL"}, [4]),
        ({"level": "debug"}, [0, 1, 2, 3, 4]),
        ({"level": "nonsense"}, [0, 1, 2, 3, 4]),
        ({"level": ""}, [0, 1, 2, 3, 4]),
        ({"text": "EVENT 3"}, [3]),
        ({"text": ""}, [0, 1, 2, 3, 4]),
        ({"text": "straße"}, [1]),
        ({"text": "STRASSE"}, [1]),
        ({"text": "event", "level": "error"}, [3, 4]),
        ({"text": "no such thing"}, []),
    ],
)
def test_filters_apply_before_a_page_is_cut(path: Path, wish: dict[str, str], found: list[int]) -> None:
    for number, level in enumerate(LEVELS):
        fill(
            path,
            json.dumps(
                {"level": level, "event": f"event {number}"} | ({"at": "Straße"} if number == 1 else {}),
                ensure_ascii=False,
            ),
        )
    wanted = [f"event {number}" for number in found]
    assert shown(ask(path, **wish)) == wanted
    assert shown(ask(path, **wish, limit=1)) == wanted[-1:]
    assert shown(ask(path, **wish, after=0)) == wanted
    assert shown(ask(path, **wish, after=0, limit=1)) == wanted[:1]


def test_a_line_of_no_known_level_is_always_shown(path: Path) -> None:
    fill(path, '{"level": "loud", "event": "x"}')
    assert shown(ask(path, level="critical")) == ["x"]


def test_the_parts_of_a_line() -> None:
    raw = (line(1, "error", exception="Traceback\nValueError: x", symbol="SPY", units=7) + "\n").encode()
    assert parse_line(40, raw) == LogLine(
        position=40,
        at="t1",
        level="error",
        source="bot",
        message="event 1\nTraceback\nValueError: x",
        fields={"symbol": "SPY", "units": "7"},
    )


@pytest.mark.parametrize("raw", [b"plain text\n", b"[1, 2]\n", b'"text"\n', b"{\n", b"\xff\xfe\n", b"\n"])
def test_what_is_no_record_is_shown_as_it_is(raw: bytes) -> None:
    found = parse_line(0, raw)
    assert (found.level, found.at, found.source, found.fields) == ("info", None, "", {})
    assert found.message == raw.decode("utf-8", "replace").rstrip("\n")


def test_a_time_that_is_no_text_does_not_break_the_page(path: Path) -> None:
    fill(path, '{"event": "x"}', '{"event": "y", "at": null}')
    assert [one.at for one in ask(path).items] == [None, None]


@pytest.mark.parametrize("size", [log_reader.BLOCK_BYTES - 20, log_reader.BLOCK_BYTES, 5 * log_reader.BLOCK_BYTES])
def test_a_huge_line_is_read_whole(path: Path, size: int) -> None:
    fill(path, line(0), line(1, text="x" * size), line(2))
    assert shown(ask(path)) == ["event 0", "event 1", "event 2"]
    assert len(ask(path).items[1].fields["text"]) == size
    assert shown(ask(path, limit=1)) == ["event 2"]
    assert shown(ask(path, limit=1, before=ask(path, limit=1).before)) == ["event 1"]


@pytest.mark.parametrize("size", [10, 3 * log_reader.BLOCK_BYTES])
def test_what_is_being_written_hides_nothing_before_it(path: Path, size: int) -> None:
    fill(path, line(0), line(1))
    fill(path, "x" * size, end="")
    assert shown(ask(path))[:2] == ["event 0", "event 1"]


def test_memory_stays_small_in_a_large_log(path: Path) -> None:
    """Only the blocks of the page are read."""
    with path.open("w") as stream:
        for number in range(10_000):
            stream.write(line(number) + "\n")
    page = ask(path, limit=5)
    assert shown(page)[-1] == "event 9999"
    assert page.items[0].position > path.stat().st_size - log_reader.BLOCK_BYTES


def naive(content: bytes, wish: AskLog) -> LogPage:
    """Read everything, keep what is wanted, cut."""
    rows: list[tuple[int, bytes]] = []
    offset = 0
    for raw in content.split(b"\n")[:-1]:
        rows.append((offset, raw + b"\n"))
        offset += len(raw) + 1

    def kept(position: int, raw: bytes) -> bool:
        one = parse_line(position, raw)
        loud = (
            wish.level not in LEVELS or one.level not in LEVELS or LEVELS.index(one.level) >= LEVELS.index(wish.level)
        )
        return loud and (wish.text or "").casefold() in raw.decode().casefold()

    if wish.after is not None:
        start = wish.after if wish.after <= len(content) else 0
        found = [(position, raw) for position, raw in rows if position >= start and kept(position, raw)][: wish.limit]
        read_to = len(content) if len(found) < wish.limit else found[-1][0] + len(found[-1][1])
        return LogPage(items=[parse_line(*one) for one in found], before=None, after=read_to)
    end = len(content) if wish.before is None else wish.before
    found = [(position, raw) for position, raw in rows if position < end and kept(position, raw)]
    cut = found[-wish.limit :]
    full = len(cut) == wish.limit
    return LogPage(
        items=[parse_line(*one) for one in cut], before=(cut[0][0] or None) if full else None, after=len(content)
    )


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[str], dict[str, Any]]:
    """Lines of every length around a block's, and a wish whose positions are line starts."""
    text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)
    record = st.fixed_dictionaries({"event": text}, optional={"level": st.sampled_from([*LEVELS, "loud"]), "at": text})
    lines = draw(st.lists(record.map(lambda one: json.dumps(one, ensure_ascii=False)) | text, max_size=25))
    wish: dict[str, Any] = {"limit": draw(st.integers(1, 8))}
    if draw(st.booleans()):
        wish["level"] = draw(st.sampled_from([*LEVELS, "none"]))
    if draw(st.booleans()):
        wish["text"] = draw(st.sampled_from(["e", "event", "A", "ß", "ss"]))
    if lines and draw(st.booleans()):
        wish[draw(st.sampled_from(["before", "after"]))] = draw(st.integers(0, len(lines)))
    return lines, wish


@given(logs(), st.sampled_from([1, 7, 64, 1024]))
@settings(deadline=None)
def test_it_reads_like_the_naive_reader(
    tmp_path_factory: pytest.TempPathFactory, given_log: tuple[list[str], dict[str, Any]], block: int
) -> None:
    lines, wish = given_log
    path = tmp_path_factory.mktemp("log") / "x.log"
    writer = RotatingLines(path)
    for one in lines:
        writer.append(one)
    writer.close()
    content = path.read_bytes()
    starts = [0, *(at + 1 for at, byte in enumerate(content) if byte == 10)]
    for name in ("before", "after"):
        if name in wish:
            wish = wish | {name: starts[wish[name]]}
    asked = AskLog(name="x", **wish)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(log_reader, "BLOCK_BYTES", block)
        page = read_log(path, asked)
    assert page.file == str(path.stat().st_ino)
    assert page.model_copy(update={"file": None}) == naive(content, asked)
