"""A stand-in for ReelMirror: a WSGI application over one small SQLite file, with real pictures and clips.

It keeps to the contract in `tests/contracts/`, imports neither Django nor the client it stands in for, and
generates nothing with a model. Start reading at `app.py`.
"""
