"""OpenADR 2.0b as pure functions of values: no clock, no socket, no randomness."""
