"""Training for real: batches, the loop, metrics, early stopping, models and their files."""
