"""Recorded bars: both layouts, and everything that is refused."""

from datetime import UTC, date, datetime, timedelta
from zipfile import ZipFile

import pytest

from tbot_bot.domain.market import Session
from tbot_bot.domain.money import Price
from tbot_bot.venue.feed import FeedError
from tbot_bot.venue.in_process import InProcessBroker
from tbot_bot.venue.replay import ReplayFeed, check_replay
from tests.unit.venue.stage import CASH

DAYS = (date(2013, 10, 4), date(2013, 10, 7))
OPEN_MS = (9 * 60 + 30) * 60_000
HEADER = "symbol,timestamp,open,high,low,close,volume"


def ny_session(day):
    open_at = datetime(day.year, day.month, day.day, 13, 30, tzinfo=UTC)
    return Session(day, open_at, open_at + timedelta(minutes=390))


SESSIONS = [ny_session(day) for day in DAYS]


def trade(minute, prices="100000,110000,90000,100000", volume="5000"):
    return f"{OPEN_MS + minute * 60_000},{prices},{volume}"


def quote(minute, bid=99_900, ask=100_100):
    return f"{OPEN_MS + minute * 60_000},{bid},{bid},{bid},{bid},100,{ask},{ask},{ask},{ask},200"


TRADES = [trade(-30), trade(0), trade(1), trade(3), trade(400)]


def write_zip(folder, symbol, day, kind, rows, member="day.csv"):
    path = folder / symbol / f"{day:%Y%m%d}_{kind}.zip"
    path.parent.mkdir(exist_ok=True)
    with ZipFile(path, "w") as archive:
        archive.writestr(member, "\n".join(rows))
    return path


@pytest.fixture
def zips(tmp_path):
    """Two symbols over two days, a few minutes each, some outside the session."""
    for symbol in ("spy", "ibm"):
        for day in DAYS:
            write_zip(tmp_path, symbol, day, "trade", TRADES)
    return tmp_path


def csv_row(symbol, day, minute, prices="10,11,9,10", volume="500"):
    at = datetime(day.year, day.month, day.day, 13, 30, tzinfo=UTC) + timedelta(minutes=minute)
    return f"{symbol},{at:%Y-%m-%dT%H:%M:%SZ},{prices},{volume}"


def csv_rows():
    return [csv_row(symbol, day, minute) for day in DAYS for minute in (-5, 0, 2) for symbol in ("spy", "IBM")]


def write_csv(folder, rows, name="bars.csv", header=HEADER):
    (folder / name).write_text("\n".join([header, *rows]) + "\n")
    return folder


def test_a_good_zip_folder(zips):
    (zips / "README.md").write_text("not data")
    (zips / ".cache").mkdir()
    report = check_replay(zips)
    assert (report.sessions, report.symbols, report.rows) == (DAYS, ("IBM", "SPY"), 20)
    assert report.is_usable
    assert report.more_errors == 0


def test_only_the_minutes_of_the_session_are_played(zips):
    feed = ReplayFeed(zips, SESSIONS)
    minutes = feed.load(SESSIONS[0])["SPY"]
    assert [one.bar.start_at - SESSIONS[0].open_at for one in minutes] == [timedelta(minutes=n) for n in (0, 1, 3)]
    assert str(minutes[0].bar.open) == "10"
    assert [one.symbol for one in feed.instruments] == ["IBM", "SPY"]


def test_the_replay_ends_with_a_reason(zips):
    early = Session(
        date(2013, 10, 3), SESSIONS[0].open_at - timedelta(days=1), SESSIONS[0].close_at - timedelta(days=1)
    )
    broker = InProcessBroker(ReplayFeed(zips, [early, *SESSIONS]), CASH)
    broker.advance_to(SESSIONS[1].close_at)
    assert broker.clock().ended_reason == "the replay has no session after 2013-10-07"
    assert len(broker.bars("SPY", SESSIONS[0].open_at, SESSIONS[1].close_at)) == 6


def test_a_calendar_without_any_of_its_days_is_refused(zips):
    with pytest.raises(FeedError, match="2013-10-04 to 2013-10-07, and none"):
        ReplayFeed(zips, [ny_session(date(2014, 1, 2))])


def test_quotes_are_used_kept_and_widened_to_ticks(tmp_path):
    rows = [quote(0, 99_900, 100_150), quote(3, 100_200, 100_100)]
    write_zip(tmp_path, "spy", DAYS[0], "trade", TRADES)
    write_zip(tmp_path, "spy", DAYS[0], "quote", [quote(-30, 50_000, 60_000), *rows])
    assert check_replay(tmp_path).is_usable
    minutes = ReplayFeed(tmp_path, SESSIONS).load(SESSIONS[0])["SPY"]
    ticks = [one.tick(0, Price.of("0.01")) for one in minutes]
    assert [(str(tick.bid), str(tick.ask)) for tick in ticks] == [
        ("9.99", "10.02"),
        ("9.99", "10.02"),
        ("10.01", "10.02"),
    ]


def test_a_quote_before_the_first_trade_is_kept(tmp_path):
    write_zip(tmp_path, "spy", DAYS[0], "trade", [trade(5)])
    write_zip(tmp_path, "spy", DAYS[0], "quote", [quote(1)])
    (minute,) = ReplayFeed(tmp_path, SESSIONS).load(SESSIONS[0])["SPY"]
    assert str(minute.tick(0, Price.of("0.01")).ask) == "10.01"


def test_a_minute_without_any_quote_has_a_modelled_spread(tmp_path):
    write_zip(tmp_path, "spy", DAYS[0], "trade", [trade(0), trade(9)])
    write_zip(tmp_path, "spy", DAYS[0], "quote", [quote(9)])
    first, later = ReplayFeed(tmp_path, SESSIONS).load(SESSIONS[0])["SPY"]
    assert first.bids is None
    assert later.bids is not None


BAD_ROWS = {
    "not a number": (trade(1, prices="100000,110000,x,100000"), "'x' is not a whole number"),
    "a sign": (trade(1, prices="-100000,110000,90000,100000"), "not a whole number"),
    "an empty field": (trade(1, prices="100000,,90000,100000"), "'' is not a whole number"),
    "high below low": (trade(1, prices="100000,80000,90000,100000"), "the high 8 is below the low 9"),
    "open outside": (trade(1, prices="120000,110000,90000,100000"), "the open 12 is outside"),
    "close outside": (trade(1, prices="100000,110000,90000,80000"), "the close 8 is outside"),
    "a price of zero": (trade(1, prices="0,110000,0,100000"), "must be positive"),
    "negative volume": (trade(1, volume="-1"), "not a number, zero or more"),
    "a minute twice": (trade(0), "came already"),
    "out of order": (trade(-1), "comes before"),
    "not a whole minute": (f"{OPEN_MS + 61_000},100000,110000,90000,100000,1", "not a whole minute"),
    "too few columns": ("1,2,3", "6 columns are expected, not 3"),
    "a number too large": (trade(1, prices="99999999999999,1,1,1"), "not a whole number"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_named_by_file_and_line(zips, name):
    row, reason = BAD_ROWS[name]
    write_zip(zips, "spy", DAYS[1], "trade", [trade(0), row, trade(5)])
    (error,) = check_replay(zips).errors
    assert error.startswith("spy/20131007_trade.zip:2: ")
    assert reason in error
    with pytest.raises(FeedError, match="cannot be used"):
        ReplayFeed(zips, SESSIONS)


def test_a_bad_quote_row_is_found(tmp_path):
    write_zip(tmp_path, "spy", DAYS[0], "trade", TRADES)
    write_zip(tmp_path, "spy", DAYS[0], "quote", [quote(0).replace(",200", ",x")])
    (error,) = check_replay(tmp_path).errors
    assert error == "spy/20131004_quote.zip:1: 'x' is not a whole number, zero or more"


def test_holes_are_found(zips):
    (zips / "ibm" / "20131007_trade.zip").unlink()
    write_zip(zips, "spy", DAYS[0], "quote", [quote(0)])
    errors = check_replay(zips).errors
    assert "IBM: there is no 20131007_trade.zip, a day that other symbols have" in errors
    assert "SPY: there is no 20131007_quote.zip, but there are quotes elsewhere" in errors


def test_a_day_without_a_minute_in_the_session_is_a_hole(zips):
    write_zip(zips, "ibm", DAYS[0], "trade", [trade(-10), trade(390)])
    assert check_replay(zips).errors == ("IBM: there is no minute of 2013-10-04 within the regular session",)


def test_a_truncated_zip_is_refused(zips):
    path = zips / "spy" / "20131004_trade.zip"
    path.write_bytes(path.read_bytes()[:60])
    errors = check_replay(zips).errors
    assert errors[0].startswith("spy/20131004_trade.zip: cannot be unpacked")


def test_a_corrupted_zip_is_refused(zips):
    path = zips / "spy" / "20131004_trade.zip"
    content = bytearray(path.read_bytes())
    content[45] ^= 0xFF
    path.write_bytes(bytes(content))
    assert "cannot be unpacked" in check_replay(zips).errors[0]


@pytest.mark.parametrize("name", ["spy.zip", "20131004_depth.zip", "20131399_trade.zip"])
def test_an_unknown_layout_is_refused(zips, name):
    (zips / "spy" / name).write_bytes(b"")
    (error,) = check_replay(zips).errors
    assert error.startswith(f"spy/{name}: unknown layout")


def test_a_zip_that_holds_something_else_is_refused(zips):
    write_zip(zips, "spy", DAYS[0], "trade", TRADES, member="day.txt")
    assert "one CSV is expected" in check_replay(zips).errors[0]
    write_zip(zips, "spy", DAYS[0], "trade", ["0" * 2_000_000])
    assert "more than a day" in check_replay(zips).errors[0]


def test_folder_names_are_symbols_of_their_own(zips):
    (zips / "not a symbol").mkdir()
    (zips / "SPY").mkdir()
    places = [error.split(":")[0] for error in check_replay(zips).errors]
    assert "not a symbol" in places
    assert {"SPY", "spy"} & set(places)


def test_folders_that_are_no_replay(tmp_path):
    assert "cannot be read" in check_replay(tmp_path / "missing").errors[0]
    assert "neither symbol folders nor CSV files" in check_replay(tmp_path).errors[0]
    (tmp_path / "spy").mkdir()
    assert "holds no bars" in check_replay(tmp_path).errors[0]
    write_csv(tmp_path, csv_rows())
    assert "both symbol folders and CSV files" in check_replay(tmp_path).errors[0]
    with pytest.raises(FeedError, match="both symbol folders"):
        ReplayFeed(tmp_path, SESSIONS)


def test_only_the_first_errors_are_listed(zips):
    write_zip(zips, "spy", DAYS[0], "trade", [trade(0), *["bad"] * 70])
    report = check_replay(zips)
    assert (len(report.errors), report.more_errors) == (50, 20)
    with pytest.raises(FeedError, match="and 67 more"):
        ReplayFeed(zips, SESSIONS)


def test_a_file_that_changes_while_it_is_played_stops_the_market(zips):
    feed = ReplayFeed(zips, SESSIONS)
    write_zip(zips, "spy", DAYS[1], "trade", [trade(1), trade(0)])
    with pytest.raises(FeedError, match=r"changed while it was played: spy/20131007_trade\.zip:2"):
        feed.load(SESSIONS[1])


@pytest.mark.parametrize("by_symbol", [False, True], ids=["by time", "by symbol"])
def test_a_good_csv_folder(tmp_path, by_symbol):
    rows = sorted(csv_rows()) if by_symbol else csv_rows()
    report = check_replay(write_csv(tmp_path, rows))
    assert (report.sessions, report.symbols, report.rows) == (DAYS, ("IBM", "SPY"), 12)
    assert report.is_usable
    minutes = ReplayFeed(tmp_path, SESSIONS).load(SESSIONS[1])
    assert {symbol: len(bars) for symbol, bars in minutes.items()} == {"IBM": 2, "SPY": 2}
    assert minutes["SPY"][1].bar.start_at == SESSIONS[1].open_at + timedelta(minutes=2)


def test_csv_may_be_one_file_a_symbol(tmp_path):
    for symbol in ("SPY", "IBM"):
        write_csv(tmp_path, [row for row in csv_rows() if row.upper().startswith(symbol)], f"{symbol}.csv")
    assert check_replay(tmp_path).is_usable
    assert sorted(ReplayFeed(tmp_path, SESSIONS).load(SESSIONS[0])) == ["IBM", "SPY"]


BAD_CSV = {
    "not a number": (csv_row("SPY", DAYS[1], 9, "10,11,x,10"), "'x' is not a number"),
    "infinity": (csv_row("SPY", DAYS[1], 9, "10,Infinity,9,10"), "is not a number"),
    "high below low": (csv_row("SPY", DAYS[1], 9, "10,8,9,10"), "the high 8 is below"),
    "negative volume": (csv_row("SPY", DAYS[1], 9, volume="-5"), "zero or more"),
    "a minute twice": (csv_row("SPY", DAYS[1], 2), "came already"),
    "out of order": (csv_row("SPY", DAYS[0], 1), "comes before"),
    "seconds": ("SPY,2013-10-07T14:00:30Z,10,11,9,10,1", "not a whole minute"),
    "no offset": ("SPY,2013-10-07T14:00:00,10,11,9,10,1", "not an RFC 3339 time"),
    "no time": ("SPY,yesterday,10,11,9,10,1", "not an RFC 3339 time"),
    "too many columns": ("SPY,2013-10-07T14:00:00Z,10,11,9,10,1,1", "7 columns are expected, not 8"),
    "no symbol": (",2013-10-07T14:00:00Z,10,11,9,10,1", "'' is not a symbol"),
}


@pytest.mark.parametrize("name", BAD_CSV)
def test_a_bad_csv_row_is_named_by_file_and_line(tmp_path, name):
    row, reason = BAD_CSV[name]
    (error,) = check_replay(write_csv(tmp_path, [*csv_rows(), row])).errors
    assert error.startswith("bars.csv:14: ")
    assert reason in error


def test_csv_needs_its_header(tmp_path):
    (error,) = check_replay(write_csv(tmp_path, csv_rows(), header="time,price")).errors
    assert error == f"bars.csv:1: the first line must be {HEADER}"


def test_csv_holes_are_found(tmp_path):
    rows = [row for row in csv_rows() if not (row.startswith("spy") and "10-07" in row)]
    rows.append(csv_row("QQQ", DAYS[0], -3))
    rows.append(csv_row("QQQ", DAYS[1], 3))
    errors = check_replay(write_csv(tmp_path, rows)).errors
    assert errors == (
        "QQQ: there is no minute of 2013-10-04 within the regular session",
        "SPY: there is no row of 2013-10-07, a day that other symbols have",
    )


def test_a_symbols_day_is_in_one_csv_file(tmp_path):
    write_csv(tmp_path, csv_rows(), "a.csv")
    write_csv(tmp_path, [csv_row("IBM", DAYS[0], 7)], "b.csv")
    assert check_replay(tmp_path).errors == ("b.csv:2: IBM on 2013-10-04 is in a.csv too",)


def test_a_csv_file_that_changes_while_it_is_played_stops_the_market(tmp_path):
    feed = ReplayFeed(write_csv(tmp_path, csv_rows()), SESSIONS)
    write_csv(tmp_path, [row.replace("10,11,9,10", "10,11,9,xx") for row in csv_rows()])
    with pytest.raises(FeedError, match=r"changed while it was played: bars\.csv:2"):
        feed.load(SESSIONS[0])
