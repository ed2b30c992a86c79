"""The simulated market keeps the broker contract, over its socket and in-process."""

import pytest

from tbot_bot.venue.in_process import InProcessBroker
from tbot_bot.venue.synthetic import SyntheticFeed
from tests.contract.broker_contract import BrokerContract
from tests.contract.sim_stage import DAYS, InProcessStage, SimServer
from tests.unit.venue.stage import CASH


class TestSimBroker(BrokerContract):
    @pytest.fixture
    def stage(self, tmp_path):
        server = SimServer(tmp_path)
        server.pass_minutes(2)
        yield server
        server.close()


class TestInProcessBroker(BrokerContract):
    @pytest.fixture
    def stage(self):
        return InProcessStage(InProcessBroker(SyntheticFeed(5, DAYS), CASH))
