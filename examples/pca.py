"""Principal component analysis as a tiny linear autoencoder, trained by gradient descent.

Rows of X are squeezed through k numbers and rebuilt, x̂ = W Wᵀ x, with W of shape (features, k). The mean squared error
of the rebuilding is least when the columns of W span the first k principal components; what is left is then the sum of
the other eigenvalues of the covariance (Eckart and Young, 1936). Gradient descent knows nothing of eigenvalues and gets
there.

Source: Baldi and Hornik, "Neural networks and principal component analysis", Neural Networks 2 (1989), 53-58. Data:
arrests in the 50 US states in 1973 (McNeil, 1977), the example of James et al., "An Introduction to Statistical
Learning", ch. 12.
"""

import numpy as np

import backpass as bp

# murder, assault, rape: arrests per 100,000; population living in cities, per cent. States in alphabetical order.
# fmt: off
MURDER = [13.2, 10.0, 8.1, 8.8, 9.0, 7.9, 3.3, 5.9, 15.4, 17.4, 5.3, 2.6, 10.4, 7.2, 2.2, 6.0, 9.7, 15.4, 2.1, 11.3,
          4.4, 12.1, 2.7, 16.1, 9.0, 6.0, 4.3, 12.2, 2.1, 7.4, 11.4, 11.1, 13.0, 0.8, 7.3, 6.6, 4.9, 6.3, 3.4, 14.4,
          3.8, 13.2, 12.7, 3.2, 2.2, 8.5, 4.0, 5.7, 2.6, 6.8]
ASSAULT = [236, 263, 294, 190, 276, 204, 110, 238, 335, 211, 46, 120, 249, 113, 56, 115, 109, 249, 83, 300, 149, 255,
           72, 259, 178, 109, 102, 252, 57, 159, 285, 254, 337, 45, 120, 151, 159, 106, 174, 279, 86, 188, 201, 120,
           48, 156, 145, 81, 53, 161]
CITIES = [58, 48, 80, 50, 91, 78, 77, 72, 80, 60, 83, 54, 83, 65, 57, 66, 52, 66, 51, 67, 85, 74, 66, 44, 70, 53, 62,
          81, 56, 89, 70, 86, 45, 44, 75, 68, 67, 72, 87, 48, 45, 59, 80, 80, 32, 63, 73, 39, 66, 60]
RAPE = [21.2, 44.5, 31.0, 19.5, 40.6, 38.7, 11.1, 15.8, 31.9, 25.8, 20.2, 14.2, 24.0, 21.0, 11.3, 18.0, 16.3, 22.2,
        7.8, 27.8, 16.3, 35.1, 14.9, 17.1, 28.2, 16.4, 16.5, 46.0, 9.5, 18.8, 32.1, 26.1, 16.1, 7.3, 21.4, 20.0, 29.3,
        14.9, 8.3, 22.5, 12.8, 26.9, 25.5, 22.9, 11.2, 20.7, 26.2, 9.3, 10.8, 15.6]
# fmt: on


def loss(W, X):
    """Mean squared distance between the rows of X and their rebuilding."""
    code = X @ W
    return np.mean(np.sum((X - code @ W.T) ** 2, axis=1))


def data():
    """The four columns, standardised: (50, 4)."""
    table = np.stack([MURDER, ASSAULT, CITIES, RAPE], axis=1)
    return (table - table.mean(axis=0)) / table.std(axis=0)


def fit(k=2, steps=1000, rate=0.05, seed=0):
    """Gradient descent from a small random W; returns W and the loss at each step."""
    X = data()
    W = 0.1 * np.random.default_rng(seed).standard_normal((X.shape[1], k))
    history = []
    value_and_grad = bp.value_and_grad(loss)
    for _ in range(steps):
        value, g = value_and_grad(W, X)
        history.append(value)
        W = W - rate * g
    return W, np.array(history)


def main():
    X = data()
    W, history = fit()
    singular, directions = np.linalg.svd(X, full_matrices=False)[1:]
    eigenvalues = singular**2 / len(X)
    print(f"  loss: {history[0]:.4f} at first, {history[-1]:.12f} after {len(history)} steps of gradient descent")
    print(f"  the eigenvalues that two components cannot reach: {eigenvalues[2:].sum():.12f}")
    print(f"  variance explained: {1 - history[-1] / np.sum(eigenvalues):.4f}  (published: 0.8675)")
    gap = np.abs(W @ W.T - directions[:2].T @ directions[:2]).max()
    print(f"  largest difference between the projection W Wᵀ and the singular value decomposition's: {gap:.1e}")


if __name__ == "__main__":
    main()
