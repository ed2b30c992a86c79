"""Facts about markets that are the same for every broker: the exchange calendar."""
