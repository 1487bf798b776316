"""The review desk. Imports point one way; tests/test_house.py holds the arrows."""
