"""The demo in one picture: target, band, measured power and interval means, of all VENs together and of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from math import fsum
from pathlib import Path

import msgspec
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import DateFormatter, SecondLocator
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from openadr_ra.programs.demo_sites import SITES, STANDS_FOR_S, Site
from openadr_ra.programs.demo_summary import EVERYONE
from openadr_ra.programs.demo_watch import BAND, usage_series
from openadr_ra.protocol.instruction import Instruction
from openadr_ra.protocol.report import TOTAL
from openadr_ra.protocol.schedule import Reading
from openadr_ra.run.responses import ResponseRow

INK = "#22303c"
FAINT = "#8a97a3"
TARGET = "#22303c"
IN_BAND = "#cfe8d5"
MISSED = "#f6cfc7"
ALL = "#1f5fa8"
COLOURS = ("#0b7a75", "#b4610a", "#7a3e9d")
SIZE_INCHES = (12.0, 10.5)
DPI = 130
