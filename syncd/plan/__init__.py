"""The plan: desired state against known state, as a value; and the brake that looks at it. Pure.

Knows bit sets, fields and counts; knows neither the database, nor the e-mail service, nor the rules.
"""

from syncd.plan.brake import Limits, Surroundings, reasons_to_hold
from syncd.plan.diff import Occasion, Plan, Standing, Step, Tags, bits_in, fields_to_set, make_plan, people_by_bit
from syncd.plan.rounds import Left, Portions, Round, rounds_of, whole_rounds

__all__ = [
    "Left",
    "Limits",
    "Occasion",
    "Plan",
    "Portions",
    "Round",
    "Standing",
    "Step",
    "Surroundings",
    "Tags",
    "bits_in",
    "fields_to_set",
    "make_plan",
    "people_by_bit",
    "reasons_to_hold",
    "rounds_of",
    "whole_rounds",
]
