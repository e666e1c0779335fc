"""The history: customers, orders, consents and standings in a database. Importing it loads none."""
