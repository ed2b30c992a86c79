"""Pure rules of the trade: no IO, no clock, no environment, no logging, no SQL. Standard library only."""
