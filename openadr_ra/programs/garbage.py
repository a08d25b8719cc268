"""How often a server looks for garbage that refers to itself."""

from __future__ import annotations

import gc

NEW_OBJECTS = 10_000
"""Python looks through its youngest objects whenever there are 700 more of them. A held poll is about a hundred, so that an
event to a thousand VENs sets it off a hundred times, over what is all in use: a quarter of the event's cost. What goes
unnoticed for longer is small: of a closed connection 7 objects, 2 KiB."""


def collect_seldom() -> None:
    """Let this process make more objects before it looks; how often the older ones are looked at follows from that."""
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
