"""Messages to the service manager, as sd_notify(3) describes them; silent where there is none."""

from __future__ import annotations

import os
import socket


def notify(*lines: str) -> None:
    """The service manager has been told these lines (`READY=1`, `STATUS=…`), if there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # A leading @ stands for Linux's abstract namespace.
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        try:
            manager.sendto("\n".join(lines).encode(), name)
        except OSError:
            # A manager that went away is no reason to stop working.
            return
