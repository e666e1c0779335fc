"""What the looking commands show, as plain documents (DESIGN §9). Everything is judged afresh from the history."""

from syncd.views.exported import export
from syncd.views.forecast import forecast
from syncd.views.health import quarantined, quarantined_raw, status
from syncd.views.person import explain
from syncd.views.trial import preview
from syncd.views.who import members, segments

__all__ = [
    "explain",
    "export",
    "forecast",
    "members",
    "preview",
    "quarantined",
    "quarantined_raw",
    "segments",
    "status",
]
