collect_ignore = ["autograd"]
"""Stands for HIPS autograd in the process that runs its tests, and nowhere else."""
