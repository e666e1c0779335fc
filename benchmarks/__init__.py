"""How fast and how frugal syncd is, beside its peers in the same run; `make bench` runs it."""
