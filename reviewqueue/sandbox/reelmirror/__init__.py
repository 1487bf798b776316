"""ReelMirror's behaviour, one noun a file. `routes.py` says which function answers which address."""
