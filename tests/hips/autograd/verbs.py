"""autograd's verbs by Backpass's."""

import functools

import backpass as bp

from . import numpy as np
from .core import floating
from .wrap_util import unary_to_nary


def _named(verb, function, argnum):
    name = getattr(function, "__name__", "[unknown name]")
    return f"{verb}_of_{name}_wrt_argnum_{argnum}", f"    {verb} of function {name} with respect to argument {argnum}."


def grad(function, argnum=0):
    """
    Returns a function which computes the gradient of `function` with respect to argument `argnum`.
    """

    def wrapped(*args, **kwargs):
        chosen = argnum if isinstance(argnum, int) else tuple(argnum)
        args = [
            floating(a) if k == chosen or (isinstance(chosen, tuple) and k in chosen) else a for k, a in enumerate(args)
        ]
        return bp.grad(_one_number(function), chosen)(*args, **kwargs)

    wrapped.__name__, wrapped.__doc__ = _named("grad", function, argnum)
    return wrapped


def _one_number(function):
    """autograd takes an array of one entry for a scalar."""

    @functools.wraps(function, assigned=())
    def scalar(*args, **kwargs):
        result = function(*args, **kwargs)
        return np.reshape(result, ()) if getattr(result, "size", 0) == 1 and np.ndim(result) else result

    return scalar


def value_and_grad(function, argnum=0):
    return bp.value_and_grad(function, argnum if isinstance(argnum, int) else tuple(argnum))


def grad_and_aux(function, argnum=0):
    return bp.grad(function, argnum, has_aux=True)


jacobian = bp.jacobian
hessian = bp.hessian


def holomorphic_grad(function, argnum=0):
    return bp.jacobian(function, argnum)


@unary_to_nary
def elementwise_grad(function, x):
    value, pullback = bp.vjp(function, floating(x))
    return pullback(np.ones(np.shape(value)))[0]


@unary_to_nary
def deriv(function, x):
    return bp.jvp(function, (floating(x),), (1.0,))[1]


def hessian_tensor_product(function, argnum=0):
    def product(*args, **kwargs):
        *args, v = args
        return bp.hvp(lambda *xs: function(*xs, **kwargs), tuple(args), v, argnum)

    return product


hessian_vector_product = hessian_tensor_product


def tensor_jacobian_product(function, argnum=0):
    def product(*args, **kwargs):
        *args, v = args
        rest = len(np.shape(v))
        jac = bp.jacobian(function, argnum)(*args, **kwargs)
        return np.tensordot(v, jac, rest)

    return product


@unary_to_nary
def make_hvp(function, x):
    return (lambda v: bp.hvp(function, (x,), v)), bp.grad(function)(x)


def make_jvp(function, argnum=0):
    return lambda *args: lambda v: bp.jvp(function, args, (v,))


def make_ggnvp(f, g=lambda x: 1.0 / 2 * np.sum(x**2), f_argnum=0):
    @unary_to_nary
    def maker(f, x):
        value, pullback = bp.vjp(f, x)
        return lambda v: pullback(bp.hvp(g, (value,), bp.jvp(f, (x,), (v,))[1]))[0]

    return maker(f, f_argnum)


def checkpoint(function):
    return function
