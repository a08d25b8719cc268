"""The reference fleet, simulated: one kW figure held over half hours by open loops and by ours, with the same faults."""
