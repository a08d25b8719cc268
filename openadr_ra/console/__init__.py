"""The operator's end: a local JSON API on a running node, and its client."""
