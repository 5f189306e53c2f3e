"""The normal distribution in several variables."""

import numpy as np


def logpdf(x, mean, cov, allow_singular=False):
    away = x - mean
    if allow_singular:
        w = np.linalg.eigvalsh(cov)
        there = w > 1e-10
        logdet, rank = np.sum(np.log(np.where(there, w, 1.0))), np.sum(there)
        solved = np.matmul(away, np.linalg.pinv(cov))
    else:
        logdet, rank = np.linalg.slogdet(cov)[1], np.shape(cov)[-1]
        solved = np.swapaxes(np.linalg.solve(cov, np.swapaxes(np.atleast_2d(away), -1, -2)), -1, -2)
        solved = np.reshape(solved, np.shape(away))
    return -0.5 * (rank * np.log(2 * np.pi) + logdet + np.sum(away * solved, axis=-1))


def pdf(x, mean, cov, allow_singular=False):
    return np.exp(logpdf(x, mean, cov, allow_singular))


def entropy(mean, cov):
    n = np.shape(cov)[-1]
    return 0.5 * (n * (1 + np.log(2 * np.pi)) + np.linalg.slogdet(cov)[1])
