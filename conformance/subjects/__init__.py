"""Subjects that the project tests itself: settings files, and what stands between the harness and openleadr."""
