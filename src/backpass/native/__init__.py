"""The machine reading: graphs as machine code."""
