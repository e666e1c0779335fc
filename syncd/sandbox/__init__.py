"""The sandbox: local servers that behave as Shopify, Ecwid and Mailchimp do, for demos, tests and benchmarks.

It knows the services' published behaviour and nothing of syncd's history, rules or plans: what tests
compare syncd with must not share syncd's mistakes.
"""
