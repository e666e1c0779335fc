"""syncd: turns a shop's orders into the right tags on the right people in the e-mail service."""

__version__ = "0.1.0"
