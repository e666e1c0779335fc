"""What a marketer reads when a rule is wrong: the exact sentence, and a caret under the exact words."""

from __future__ import annotations

import pytest

from syncd.rules import RuleError, parse_rule, parts
from syncd.rules.parser import parse_value

SEGMENTS = ("loyal", "come-back", "bought-14d")


def complaint(rule: str) -> RuleError:
    with pytest.raises(RuleError) as caught:
        parse_rule(rule, SEGMENTS)
    return caught.value


# Exactly what is read: the complaint, the rule, the caret.
COMPLAINTS = """
unknown name 'spnd'; did you mean 'spend'?
  spnd(6 months) >= 250
  ^^^^

unknown name 'ES'; a text stands in double quotes
  country == ES
             ^^

equality is written `==`
  country = "ES"
          ^

inequality is written `!=`
  country <> "ES"
          ^^

negation is written `not`
  !subscribed
  ^

write `and`
  subscribed && subscribed
             ^^

this text is not closed: a double quote is missing
  country == "ES
             ^^^

texts stand in double quotes, as in "ES"
  country == 'ES'
             ^

amounts are plain numbers in the audience's currency, as in 250
  spend(ever) > €5
                ^

';' has no meaning in a rule
  spend(ever) > 5 ;
                  ^

a percentage is written as a plain number
  spend(ever) > 5%
                 ^

a value or a condition is missing here
  spend(ever) >
               ^

a value or a condition is missing here
  and subscribed
  ^^^

`and`, `or` or an operator is missing before this
  spend(ever) > 5 subscribed
                  ^^^^^^^^^^

`and`, `or` or an operator is missing before this; did you mean 'and'?
  spend(ever) > 5 AND subscribed
                  ^^^

`and`, `or` or an operator is missing before this; did you mean 'and'?
  subscribed AND subscribed
             ^^^

a comma only separates arguments; a thousand is written 1000
  spend(ever) > 1,000
                 ^

this parenthesis was never opened
  subscribed)
            ^

this parenthesis is not closed
  (subscribed
  ^

`)` or an operator is missing before this
  (subscribed subscribed)
              ^^^^^^^^^^

comparisons do not chain: use `between … and …`, or join two of them with `and`
  1 < spend(ever) < 5
                  ^

`between` needs two ends, as in `between 100 and 200`
  orders(ever) between 1 or 2
                         ^^

unknown unit 'd'; the units are hours, days, weeks, months and years
  since_last_order > 180d
                        ^

unknown unit 'month5'; did you mean 'month'?
  since_last_order > 6 month5
                       ^^^^^^

a length of time is a whole number of hours, days, weeks, months or years
  since_last_order > 1.5 days
                     ^^^

a length of time is at most 100 years
  since_last_order > 101 years
                     ^^^

there is no such date
  last_order > 2026-02-30
               ^^^^^^^^^^

a number has at most 15 digits
  orders(ever) > 1234567890123456
                 ^^^^^^^^^^^^^^^^

an empty text equals nothing: what is unknown is missing
  country == ""
             ^^

`spend` needs parentheses with a window such as `6 months`, `this year` or `ever`
  spend > 5
  ^^^^^

`spend` needs a window such as `6 months`, `this year` or `ever`
  spend(14) > 5
        ^^

`spend` needs a window such as `6 months`, `this year` or `ever`
  spend(this) > 5
        ^^^^

a window covers at least one day
  spend(0 days) > 5
        ^^^^^^

'this' belongs to a window, in parentheses, as in `spend(this year)`
  this year > 5
  ^^^^

`subscribed` stands without parentheses
  subscribed()
            ^

no segment is called 'loyall'; did you mean 'loyal'?
  in(loyall)
     ^^^^^^

`in` needs the name of a segment
  in()
     ^

`in` needs parentheses with the name of a segment
  in
  ^^

a figure of the audience needs numbers, amounts or days, not a text
  mean(country) > 5
       ^^^^^^^

a figure of the audience cannot stand inside another
  mean(1 + mean(spend(ever))) > 5
           ^^^^^^^^^^^^^^^^^

`percentile` needs a comma here, then a number from 0 to 100
  percentile(spend(ever)) > 5
                        ^

`percentile` needs a number from 0 to 100
  percentile(spend(ever), 101) > 5
                          ^^^

`bought` needs `category`, `product` or `sku` and a text, such as `category "tea"`
  bought(tea, ever)
         ^^^

`shop_tag` needs a text such as `"vip"`
  shop_tag(vip)
           ^^^

a rule is true or false, and `spend(ever)` is an amount of money: compare it with an amount such as `250`
  spend(ever)
  ^^^^^^^^^^^

`and` joins what is true or false, and `orders(ever)` is a number: compare it with a number such as `3`
  orders(ever) and subscribed
  ^^^^^^^^^^^^

`not` inverts what is true or false, and `5` is a number: compare it with a number such as `3`
  not 5
      ^

a rule is true or false, and `6 months` is a length in months or years: compare it with `since_last_order` or the like
  6 months
  ^^^^^^^^

`since_last_order` is a length of time: compare it with a length such as `30 days` or `6 months`, not with a number
  since_last_order >= 180
                      ^^^

`since_last_order` is a length of time: compare it with a length such as `30 days` or `6 months`, not with a number
  180 <= since_last_order
  ^^^

`last_order` is a date: compare it with a date such as `2026-01-31`, not with a number
  last_order between 2026-01-01 and 5
                                    ^

`spend(ever)` is an amount of money: compare it with an amount such as `250`, not with a text
  spend(ever) > country
                ^^^^^^^

`subscribed` is true or false already: it stands alone, or behind `not`
  subscribed == 1
  ^^^^^^^^^^

`subscribed or in(loyal)` is true or false already: it stands alone, or behind `not`
  (subscribed or in(loyal)) == subscribed
   ^^^^^^^^^^^^^^^^^^^^^^^

`bought(category "tea", 1 month)` is true or false already: it stands alone, or behind `not`
  bought(category "tea", 1 months) == 1
  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

texts are compared with `==` and `!=` only
  country < "ES"
          ^

texts are compared with `==` and `!=` only
  city between "A" and "B"
       ^^^^^^^

`+` after a date needs a length such as `30 days`, not a number
  last_order + 5 > last_order
               ^

`*` after an amount of money needs a number such as `3`, not an amount of money
  spend(ever) * spend(ever) > 5
                ^^^^^^^^^^^

a date cannot be multiplied
  last_order * 2 > last_order
  ^^^^^^^^^^

a minus sign needs a number, an amount or a number of days, not a date
  -last_order > last_order
   ^^^^^^^^^^

months and years differ in length: they are compared with `since_last_order` and the like; write days here
  mean(since_last_order) > 6 months
                           ^^^^^^^^

months and years differ in length: they are compared with `since_last_order` and the like; write days here
  last_order + 6 months > last_order
               ^^^^^^^^

months and years differ in length: they are compared with `since_last_order` and the like; write days here
  since_last_order - since_first_order > 6 months
                                         ^^^^^^^^

`lateness` is a number: compare it with a number such as `3`, not with a number of days
  lateness > 30 days
             ^^^^^^^

`order_gap` is a number of days: compare it with a length such as `30 days`, not with a number
  order_gap > 30
              ^^

months and years differ in length: they are compared with `since_last_order` and the like; write days here
  order_gap > 1 month
              ^^^^^^^

`next_order` is a date: compare it with a date such as `2026-01-31`, not with a number of days
  next_order < 7 days
               ^^^^^^

`lateness` stands without parentheses
  lateness(6 months) > 2
          ^

`usual` needs parentheses with a number from 0 to 100
  lateness > usual
             ^^^^^

`usual` needs a number from 0 to 100
  lateness > usual(101)
                   ^^^

a figure of the audience cannot stand inside another
  mean(lateness - usual(50)) > 1
                  ^^^^^^^^^

unknown name 'latenes'; did you mean 'lateness'?
  latenes > usual(90)
  ^^^^^^^

it is counted in days or weeks, not in hours
  buy_chance(36 hours) > 0.5
             ^^^^^^^^

unknown unit 'hour5'; did you mean 'hour'?
  since_cart > 6 hour5
                 ^^^^^

a length of time is at most 876000 hours
  since_cart > 876001 hours
               ^^^^^^

`since_last_order` is counted in days: only `since_cart` is compared with hours
  since_last_order >= 3 hours
                      ^^^^^^^

`order_gap` is counted in days: only `since_cart` is compared with hours
  3 hours < order_gap
  ^^^^^^^

`lateness` is a number: compare it with a number such as `3`, not with a length in hours
  lateness > 3 hours
             ^^^^^^^

`since_cart` is a length of hours or days: compare it with a length such as `3 hours` or `2 days`, not with a number
  since_cart >= 3
                ^

months and years differ in length: they are compared with `since_last_order` and the like; write days here
  since_cart > 1 month
               ^^^^^^^

a length of hours or days cannot be added
  since_cart + 1 day > 2 days
  ^^^^^^^^^^

`+` after a date needs a length such as `30 days`, not a length in hours
  last_order + 3 hours > last_order
               ^^^^^^^

a figure of the audience needs numbers, amounts or days, not a length of hours or days
  mean(since_cart) > 3 hours
       ^^^^^^^^^^

a rule is true or false, and `3 hours` is a length in hours: compare it with `since_cart`
  3 hours
  ^^^^^^^

a window is counted in days, weeks, months or years, not in hours
  spend(3 hours) > 5
        ^^^^^^^

a window is counted in days, weeks, months or years, not in hours
  last_order within 3 hours
                    ^^^^^^^

`within` needs a window such as `6 months`, `this year` or `ever`
  last_order within 2026-01-01
                    ^^^^^^^^^^

a window covers at least one day
  last_order within 0 days
                    ^^^^^^

a date lies within a window, as in `last_order within 6 months`, and `since_last_order` is a length of time
  since_last_order within 6 months
  ^^^^^^^^^^^^^^^^

comparisons do not chain: use `between … and …`, or join two of them with `and`
  last_order within 6 months within this year
                             ^^^^^^

`last_order within 6 months` is true or false already: it stands alone, or behind `not`
  (last_order within 6 months) == subscribed
   ^^^^^^^^^^^^^^^^^^^^^^^^^^

`and`, `or` or an operator is missing before this; did you mean 'within'?
  last_order witin 6 months
             ^^^^^

unknown name 'favorite_product'; did you mean 'favourite_product'?
  favorite_product == "tea"
  ^^^^^^^^^^^^^^^^

unknown name 'cart_valu'; did you mean 'cart_value'?
  cart_valu > 50
  ^^^^^^^^^

`bought` needs a comma here, then a window such as `6 months`, `this year` or `ever`
  bought(category "tea")
                       ^

`bought` needs a window such as `6 months`, `this year` or `ever`
  bought(category "tea", 3)
                         ^

`last_product` is a text: compare it with a text such as `"ES"`, not with a number
  last_product == 3
                  ^

`birthday` is a date: compare it with a date such as `2026-01-31`, not with a number of days
  birthday == 7 days
              ^^^^^^

`wholesale` is true or false already: it stands alone, or behind `not`
  wholesale == 1
  ^^^^^^^^^

`max` needs a comma here, then something measured of each customer, such as `spend(ever)`
  max(spend(ever)) > 5
                 ^

`spend(ever)` is an amount of money: compare it with an amount such as `250`, not with a number of days
  min(spend(ever), order_gap) > 5
                   ^^^^^^^^^

the smaller or larger of two is a number, an amount or days, not a date
  max(first_order, birthday) > 2026-01-01
      ^^^^^^^^^^^

months and years differ in length: they are compared with `since_last_order` and the like; write days here
  min(since_last_order, 6 months) > 5 days
                        ^^^^^^^^

a figure of the audience cannot stand inside another
  mean(max(usual(50), lateness)) > 1
           ^^^^^^^^^
"""


@pytest.mark.parametrize("text", COMPLAINTS.strip().split("\n\n"), ids=lambda text: text.splitlines()[1].strip())
def test_a_complaint_points_at_the_exact_words(text: str) -> None:
    _, rule, caret = text.splitlines()
    error = complaint(rule[2:])
    assert str(error) == text
    start, end = error.span
    assert caret[2:] == " " * start + "^" * max(1, end - start)


def test_an_empty_rule_is_a_complaint_too() -> None:
    assert complaint("").problem == complaint(" \n").problem == "the rule is empty"


def test_of_a_rule_on_several_lines_only_the_wrong_line_is_shown() -> None:
    assert str(complaint("subscribed\n\tand spnd(ever) > 5\n\tand in(loyal)")) == (
        "unknown name 'spnd'; did you mean 'spend'?\n  \tand spnd(ever) > 5\n  \t    ^^^^"
    )


def test_a_caret_does_not_leave_its_line() -> None:
    error = complaint("subscribed and (spend(ever)\n  + 5)")
    assert str(error).splitlines()[1:] == ["  subscribed and (spend(ever)", "                  ^^^^^^^^^^^"]
    assert error.span == (16, 33)


def test_a_long_operand_is_not_repeated_in_the_sentence() -> None:
    error = complaint("spend(ever) + spend(ever) + spend(ever) + spend(ever)")
    assert error.problem == (
        "a rule is true or false, and this is an amount of money: compare it with an amount such as `250`"
    )


@pytest.mark.parametrize(
    "rule",
    [
        "(" * 5000 + "subscribed" + ")" * 5000,
        "not " * 450 + "subscribed",
        "orders(ever) > " + "-" * 450 + "1",
        "orders(ever) > " + "(" * 60 + "1" + ")" * 60,
        "orders(ever) > " + "1 + " * 200 + "1",
        "mean(" * 200 + "orders(ever)" + ")" * 200 + " > 1",
        " or ".join(["subscribed"] * 300),
    ],
    ids=["parentheses", "not", "minus", "nested", "sum", "mean", "or"],
)
def test_a_rule_too_deep_or_too_long_is_refused_with_a_sentence(rule: str) -> None:
    assert complaint(rule).problem in (
        "the rule is too complicated: more than 50 levels deep",
        "the rule is too long: more than 500 words and signs",
    )


def test_a_long_list_of_alternatives_is_no_depth() -> None:
    tree = parse_rule(" or ".join(f'country == "{number}"' for number in range(100)))
    assert len(parts(tree)) == 100


@pytest.mark.parametrize(
    ("field", "kind"), [("subscribed", "true or false"), ("6 months", "a length in months or years")]
)
def test_a_field_is_a_value_that_can_be_stored(field: str, kind: str) -> None:
    with pytest.raises(RuleError, match=f"a field holds a number, a date or a text, not {kind}"):
        parse_value(field)
