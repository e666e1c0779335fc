"""Do customers come back: one document of figures, and what is made from it for people and for programs.

The order of the modules, each importing only those before it: ladders, document, shown, csv_tables, drawing,
charts, page.
"""

from syncd.views.retention.csv_tables import csv_tables
from syncd.views.retention.document import report

__all__ = ["csv_tables", "report"]
