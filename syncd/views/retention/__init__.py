"""Do customers come back: one document of figures, and what is made from it for people and for programs.

The order of the modules, each importing only those before it: ladders, document, words, shown,
csv_tables, drawing, charts, page.
"""

from syncd.views.retention.csv_tables import csv_tables
from syncd.views.retention.document import report
from syncd.views.retention.words import LANGUAGES, Words

__all__ = ["LANGUAGES", "Words", "csv_tables", "report"]
