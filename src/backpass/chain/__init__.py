"""The chain rule: backward, forward, and everything built from them."""
