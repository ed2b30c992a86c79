"""The embedded simulated market: a pure core, its feeds and journal, and the process that serves them."""
