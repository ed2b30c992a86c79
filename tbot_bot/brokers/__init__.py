"""Brokers behind the one port that `domain.broker` declares; `registry` says which exist."""
