"""RIGD TradeBot: the trading bot and its privileged backend."""

VERSION = "0.1.0"
