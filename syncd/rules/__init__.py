"""The rule language: what a marketer writes about customers, parsed, checked, judged and explained.

One expression is one tree, and every reading of it walks that tree. The order of the modules, each
importing only those before it: faults, tokens, kinds, tree, scope, until, names (the table of
functions), literals, check, parser, evaluation, figures, rhythm, chances, specs, playbook, marks, measured,
showing, saying, judgement, due, standings, missing, explanation. Pure: facts come in as columns
(`lifecycle.columns.Batch`), `today` and the audience's figures as arguments.
"""

from syncd.rules.chances import Buyers, can_be_mended, chances_in, chances_of, points, why_off
from syncd.rules.due import DueTimes, due_times, next_changes
from syncd.rules.evaluation import needs_of
from syncd.rules.explanation import explain, metrics_need, metrics_of
from syncd.rules.faults import RuleError
from syncd.rules.figures import Figure, figure_of, figure_values, figures_in, measured_by
from syncd.rules.judgement import Judgement, evaluate, judge
from syncd.rules.marks import Passed, measured_in, passed
from syncd.rules.measured import Measured, figures_over
from syncd.rules.parser import parse, parse_rule
from syncd.rules.playbook import TRIED, Playbook
from syncd.rules.rhythm import Enough, Lack, lacking, rhythm_by, rhythm_of, usual_in, why_unknown
from syncd.rules.saying import Saying, hashes
from syncd.rules.scope import TYPICAL_GAP
from syncd.rules.specs import Field, FieldSpec, Moment, MomentSpec, Segment, SegmentSpec
from syncd.rules.standings import When, standings
from syncd.rules.tree import Node, parts

__all__ = [
    "TRIED",
    "TYPICAL_GAP",
    "Buyers",
    "DueTimes",
    "Enough",
    "Field",
    "FieldSpec",
    "Figure",
    "Judgement",
    "Lack",
    "Measured",
    "Moment",
    "MomentSpec",
    "Node",
    "Passed",
    "Playbook",
    "RuleError",
    "Saying",
    "Segment",
    "SegmentSpec",
    "When",
    "can_be_mended",
    "chances_in",
    "chances_of",
    "due_times",
    "evaluate",
    "explain",
    "figure_of",
    "figure_values",
    "figures_in",
    "figures_over",
    "hashes",
    "judge",
    "lacking",
    "measured_by",
    "measured_in",
    "metrics_need",
    "metrics_of",
    "needs_of",
    "next_changes",
    "parse",
    "parse_rule",
    "parts",
    "passed",
    "points",
    "rhythm_by",
    "rhythm_of",
    "standings",
    "usual_in",
    "why_off",
    "why_unknown",
]
