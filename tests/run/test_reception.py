"""A VTN behind a proxy, one that drains, and one that says what it lacks."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openadr_ra.errors import SettingsError
from openadr_ra.protocol.messages import CreatePartyRegistration, CreatedPartyRegistration, Poll, Response
