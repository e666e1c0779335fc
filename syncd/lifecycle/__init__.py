"""What the orders of many customers say, as numbers and dates over columns.

Pure: numpy arrays in, numpy arrays out. It knows neither the database nor the rule language.
"""
