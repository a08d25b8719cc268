"""Deterministic simulation of VTNs, VENs and fleets over a bad network. See README.md beside this file."""
