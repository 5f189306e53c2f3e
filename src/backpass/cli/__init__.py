"""The command line: train, predict, explain."""

from .main import main

__all__ = ["main"]
