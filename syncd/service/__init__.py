"""The daemon: when a cycle runs, how it stops, and what it tells systemd."""
