"""The simulated market on a real socket, with the wall clock in the test's hand."""

from datetime import timedelta
from fractions import Fraction
from threading import Thread

from tbot_bot.brokers.sim import SimBroker
from tbot_bot.domain.market import Session
from tbot_bot.venue.core import Market
from tbot_bot.venue.events import EventRing
from tbot_bot.venue.faults import CALM
from tbot_bot.venue.followers import Followers
from tbot_bot.venue.journal import Journal
from tbot_bot.venue.pacer import Pacer
from tbot_bot.venue.server import VenueServer
from tbot_bot.venue.service import MarketService
from tbot_bot.venue.synthetic import SyntheticFeed
from tbot_bot.venue.venue import Venue
from tests.unit.venue.stage import CASH, sessions

SECOND = 10**9
DAYS: list[Session] = sessions(3, 45)


class SimServer:
    """One market second a sixtieth of a wall second; the wall moves only in `pass_minutes`."""

    symbol = "MKT"

    def __init__(self, folder, scenario=CALM):
        self.folder = folder
        self.scenario = scenario
        self.path = folder / "venue.sock"
        self.wall = 0
        self.epoch = 0
        self.start()
        self.broker = SimBroker(self.path)

    def start(self):
        self.epoch += 1
        self.journal = Journal(self.folder / "venue.db", {"seed": 5}, CASH)
        self.market = Market(SyntheticFeed(5, DAYS), self.journal.snapshot(), self.journal.faults(self.scenario))
        pacer = Pacer(self.market, Fraction(60), lambda: self.wall, running=True)
        ring = EventRing(f"epoch-{self.epoch}")
        venue = Venue(self.market, self.journal, ring.publish)
        followers = Followers(lambda: self.wall, patience_ns=0)  # the test moves the wall as it likes
        self.service = MarketService(venue, pacer, ring, followers, self.journal, on_failure=lambda: None)
        self.server = VenueServer(self.path, self.service)
        self.acceptor = Thread(target=self.server.run)
        self.acceptor.start()

    def stop(self):
        self.server.stop_accepting()
        self.service.stop()
        self.server.close()
        self.acceptor.join()
        self.journal.close()

    def restart(self):
        self.stop()
        self.start()

    def pass_minutes(self, count):
        for _ in range(count):
            self.wall += SECOND
            self.broker.clock()

    def pass_session(self):
        while self.market.is_open:
            self.pass_minutes(1)

    def close(self):
        self.broker.close()
        self.stop()


class InProcessStage:
    """The same market without a process."""

    symbol = "MKT"

    def __init__(self, broker):
        self.broker = broker
        broker.advance_to(DAYS[0].open_at)

    def pass_minutes(self, count):
        self.broker.advance_to(self.broker.clock().now + timedelta(minutes=count))

    def pass_session(self):
        self.broker.advance_to(self.broker.clock().session.close_at)
