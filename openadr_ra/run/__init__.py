"""The hall: the only rooms that know every other room. Loops, sockets' ends, clocks."""
