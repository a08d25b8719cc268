"""Devices that need no driver of their own: a mapping of points in the settings, over registers, MQTT or an EMS's HTTP."""
