"""The composition root: processes, lifecycle, system API. The one place that wires adapters to services."""
