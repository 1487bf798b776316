"""Clients of the hosted services.

transport (httpx, deadlines, one attempt) → decipher (pure) → resources by noun → frozen dataclasses.
No Django, no settings, no polling in here: whoever calls decides when, and how often.
"""
