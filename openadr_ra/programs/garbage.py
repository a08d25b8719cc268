"""How often a server looks for garbage that refers to itself."""

from __future__ import annotations

import gc

NEW_OBJECTS = 10_000
"""Python looks through its youngest objects whenever there are 700 more of them. Each held poll is about a hundred, so an event
to a thousand VENs would set it off a hundred times, each time over what is still in use: a quarter of the event's whole cost.
What goes unnoticed for longer is small: of a closed connection 7 objects, 2 KiB."""


def collect_seldom() -> None:
    """Let this process make more objects before it looks; how often the older ones are looked at follows from that."""
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
