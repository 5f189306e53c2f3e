"""`unary_to_nary`: an operator on functions of one argument, for one or several chosen arguments."""

import functools


def get_name(f):
    return getattr(f, "__name__", "[unknown name]")


def unary_to_nary(operator):
    @functools.wraps(operator)
    def nary(function, argnum=0, *rest, **options):
        @functools.wraps(function, assigned=("__name__", "__doc__") if hasattr(function, "__name__") else ())
        def wrapped(*args, **kwargs):
            if isinstance(argnum, int):
                chosen = args[argnum]
            else:
                chosen = tuple(args[k] for k in argnum)

            def unary(x):
                filled = list(args)
                if isinstance(argnum, int):
                    filled[argnum] = x
                else:
                    for k, part in zip(argnum, x, strict=True):
                        filled[k] = part
                return function(*filled, **kwargs)

            unary.__name__ = get_name(function)
            return operator(unary, chosen, *rest, **options)

        return wrapped

    return nary
