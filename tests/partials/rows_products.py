"""Rows of the function table: products, einsum in all its forms, linear algebra."""

import numpy as np

from .rows import row

DOT = "one matrix product where NumPy takes a dot product for each entry: the order of additions differs"

for _f in (np.dot, np.inner):
    row(_f, (3,), (3,))
    row(_f, (), (3,))
    row(_f, (2, 3), ())
    row(_f, (2, 3), (3,))
row(np.dot, (2, 3), (3, 2))
row(np.dot, (3,), (2, 3, 2), ulps=16, why=DOT)
row(np.dot, (2, 3), (2, 3, 2), ulps=16, why=DOT)
row(np.dot, (2, 2, 3), (3, 2), ulps=16, why=DOT)
row(np.inner, (2, 3), (4, 3))
row(np.inner, (2, 2, 3), (2, 3), ulps=16, why=DOT)
row(np.vdot, (2, 3), (2, 3))
row(np.vdot, (3,), (3,))
row(np.matmul, (2, 3), (3, 2))
row(np.matmul, (2, 1, 2, 3), (3, 3, 2))
row(np.matvec, (2, 3), (3,))
row(np.vecmat, (2,), (2, 3))
row(np.vecdot, (2, 3), (3,))
row(np.linalg.matmul, (2, 3), (3, 2))
row(np.linalg.vecdot, (2, 3), (2, 3))
row(np.linalg.vecdot, (2, 3), (2, 3), axis=0)
row(np.outer, (2,), (3,))
row(np.outer, (2, 2), (3,))
row(np.linalg.outer, (2,), (3,))
row(np.linalg.tensordot, (2, 3), (3, 2), axes=1)
row(np.linalg.cross, (2, 3), (2, 3))
row(np.tensordot, (2, 3), (3, 2), axes=1)
row(np.tensordot, (2, 3), (2, 3))
row(np.tensordot, (2, 3), (2, 2), axes=0)
row(np.tensordot, (2, 3, 4), (4, 2, 3), axes=([0, 2], [1, 0]))
row(np.tensordot, (2, 3), (3, 2), axes=(1, 0))
row(np.tensordot, (2, 3), (2, 3), axes=([-1], [-1]))
row(np.tensordot, (2, 0), (0, 3), axes=1)
row(np.kron, (2, 3), (2, 2))
row(np.kron, (2,), (3,))
row(np.kron, (2,), (2, 2))
row(np.kron, (), (2,))
row(np.cross, (3,), (3,))
row(np.cross, (2, 3), (3,))
row(np.linalg.cross, (2, 3), (3,))
row(np.cross, (3, 2), (3, 2), axis=0)
row(np.cross, (3, 2), (2, 3), axisa=0, axisb=1, axisc=0)
row(np.convolve, (5,), (3,))
row(np.convolve, (5,), (3,), mode="same")
row(np.convolve, (3,), (5,), mode="valid")
row(np.correlate, (5,), (3,))
row(np.correlate, (5,), (3,), mode="full")

for _subscripts, _shapes in {
    "ij,jk->ik": ((2, 3), (3, 2)),
    "ij,jk": ((2, 3), (3, 2)),
    "ij,jk->": ((2, 3), (3, 2)),
    "ji": ((2, 3),),
    "ii": ((3, 3),),
    "ii->i": ((3, 3),),
    "...ij,...jk->...ik": ((2, 2, 3), (3, 2)),
    "...i->...": ((2, 3),),
    "i...->...": ((2, 3),),
    "...ii->...i": ((2, 3, 3),),
    "...,...": ((2, 3), (3,)),
    " i , j -> i j ": ((2,), (3,)),
    "i,ij,j": ((2,), (2, 3), (3,)),
    "ab,bc,cd->ad": ((2, 3), (3, 2), (2, 2)),
    "iij,j->i": ((2, 2, 3), (3,)),
    "i,i,i->i": ((3,), (3,), (3,)),
    "ij,ij->ij": ((2, 1), (2, 3)),
    ",ij->ji": ((), (2, 3)),
    "i->": ((0,),),
}.items():
    row(np.einsum, *_shapes, call=lambda *xs, s=_subscripts: np.einsum(s, *xs), as_=_subscripts)
row(np.einsum, (2, 3), (3, 2), call=lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0]), as_="lists")
row(np.einsum, (2, 3), call=lambda a: np.einsum(a, [1, 0]), as_="lists implicit")
row(np.einsum, (2, 3), (3,), call=lambda a, b: np.einsum(a, [..., 0], b, [0], [...]), as_="lists ellipsis")
row(
    np.einsum,
    (2, 3),
    (3, 4),
    (4, 2),
    call=lambda a, b, c: np.einsum("ij,jk,kl->il", a, b, c, optimize=True),
    as_="optimize",
    ulps=8,
    why="NumPy may contract a pair by tensordot, the rule by einsum",
)
row(np.einsum, (3,), call=lambda a: np.einsum("i,i->", a, a), as_="the same twice")
row(np.einsum, (2, 3), call=lambda a: np.einsum("ij,jk->ik", a, np.arange(6.0).reshape(3, 2)), as_="with a constant")

# ---- linear algebra: arguments moved away from singular matrices
LAPACK = "LAPACK's blocking"
EYE = 4 * np.eye(3)
row(np.linalg.solve, (3, 3), (3, 2), call=lambda a, b: np.linalg.solve(a + EYE, b), as_="matrix")
row(np.linalg.solve, (3, 3), (3,), call=lambda a, b: np.linalg.solve(a + EYE, b), as_="vector")
row(np.linalg.solve, (2, 3, 3), (3,), call=lambda a, b: np.linalg.solve(a + EYE, b), as_="stack, vector")
row(np.linalg.solve, (2, 3, 3), (3, 2), call=lambda a, b: np.linalg.solve(a + EYE, b), as_="stack")
row(np.linalg.inv, (2, 3, 3), call=lambda a: np.linalg.inv(a + EYE), as_="stack")
row(np.linalg.det, (2, 3, 3), call=lambda a: np.linalg.det(a + EYE), as_="stack")
row(np.linalg.slogdet, (2, 3, 3), call=lambda a: np.linalg.slogdet(a + EYE), as_="stack")
row(np.linalg.slogdet, (3, 3), call=lambda a: np.linalg.slogdet(a - EYE).logabsdet, as_="negative")
for _upper in (False, True):
    row(
        np.linalg.cholesky,
        (2, 3, 3),
        call=lambda a, u=_upper: np.linalg.cholesky(a @ np.swapaxes(a, -1, -2) + EYE, upper=u),
        as_=f"upper={_upper}",
        ulps=4 * _upper,
        why="LAPACK rounds the upper factor otherwise than the lower one",
    )
for _n in (-2, -1, 0, 1, 2, 3, 5):
    row(
        np.linalg.matrix_power, (3, 3), call=lambda a, n=_n: np.linalg.matrix_power(0.3 * a + 0.4 * EYE, n), as_=str(_n)
    )
row(np.linalg.multi_dot, (2, 3), (3, 2), (2, 2), call=lambda *ms: np.linalg.multi_dot(ms), as_="three", ulps=4, why=DOT)
row(np.linalg.multi_dot, (3, 4), (4, 2), (2, 5), (5, 1), call=lambda *ms: np.linalg.multi_dot(ms), as_="four")
row(np.linalg.multi_dot, (4,), (4, 2), (2, 4), (4,), call=lambda *ms: np.linalg.multi_dot(ms), as_="between vectors")
row(np.linalg.multi_dot, (3,), (3, 2), call=lambda *ms: np.linalg.multi_dot(ms), as_="two")
