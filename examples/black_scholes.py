"""Black-Scholes: the price of a European call, its Greeks by differentiating it, and the implied volatility by Newton.

    C = S Φ(d₁) - K exp(-r T) Φ(d₂),    d₁ = (log(S/K) + (r + σ²/2) T) / (σ √T),    d₂ = d₁ - σ √T.

The Greeks are the partial derivatives of C; gamma, vanna and volga are second derivatives: the gradient of a gradient.

Source: Black and Scholes, "The pricing of options and corporate liabilities", J. Political Economy 81 (1973); the
numbers of Hull, "Options, Futures, and Other Derivatives", example 15.6, where the call is worth 4.76.
"""

import numpy as np
from scipy.special import ndtr

import backpass as bp

SPOT, STRIKE, VOLATILITY, RATE, YEARS = 42.0, 40.0, 0.2, 0.1, 0.5


def call(spot, volatility, rate, years, strike):
    """Price of a European call on a share that pays no dividend."""
    d1 = (np.log(spot / strike) + (rate + 0.5 * volatility**2) * years) / (volatility * np.sqrt(years))
    d2 = d1 - volatility * np.sqrt(years)
    return spot * ndtr(d1) - strike * np.exp(-rate * years) * ndtr(d2)


def greeks(spot, volatility, rate, years, strike):
    """Each Greek as a derivative of `call`."""
    at = (spot, volatility, rate, years, strike)
    delta, vega, rho, decay = bp.grad(call, argnums=(0, 1, 2, 3))(*at)
    delta_of = bp.grad(call, argnums=0)
    vega_of = bp.grad(call, argnums=1)
    return {
        "delta": delta,
        "vega": vega,
        "rho": rho,
        "theta": -decay,
        "gamma": bp.grad(delta_of, argnums=0)(*at),
        "vanna": bp.grad(delta_of, argnums=1)(*at),
        "volga": bp.grad(vega_of, argnums=1)(*at),
    }


def closed_form(spot, volatility, rate, years, strike):
    """The same Greeks as the textbook writes them, each derived by hand."""
    root = np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate + 0.5 * volatility**2) * years) / (volatility * root)
    d2 = d1 - volatility * root
    density = np.exp(-0.5 * d1**2) / np.sqrt(2 * np.pi)
    discounted = strike * np.exp(-rate * years)
    return {
        "delta": ndtr(d1),
        "vega": spot * density * root,
        "rho": years * discounted * ndtr(d2),
        "theta": -spot * density * volatility / (2 * root) - rate * discounted * ndtr(d2),
        "gamma": density / (spot * volatility * root),
        "vanna": -density * d2 / volatility,
        "volga": spot * density * root * d1 * d2 / volatility,
    }


def implied_volatility(price, spot, rate, years, strike, guess=0.5, steps=20):
    """The volatility at which `call` is worth `price`, by Newton's method: σ ← σ - (C(σ) - price) / vega."""
    volatility = guess
    value_and_vega = bp.value_and_grad(call, argnums=1)
    for _ in range(steps):
        value, vega = value_and_vega(spot, volatility, rate, years, strike)
        if abs(value - price) < 1e-12 * price:
            break
        volatility = volatility - (value - price) / vega
    return volatility


def main():
    at = (SPOT, VOLATILITY, RATE, YEARS, STRIKE)
    print(f"  a call at spot {SPOT:g}, strike {STRIKE:g}, half a year: {call(*at):.4f} (Hull: 4.76)")
    print("             by gradient        by formula     difference")
    exact = closed_form(*at)
    for name, value in greeks(*at).items():
        print(f"  {name:6s} {value:16.12f}  {exact[name]:16.12f}      {abs(value - exact[name]):.1e}")
    print(f"  volatility implied by that price: {implied_volatility(call(*at), SPOT, RATE, YEARS, STRIKE):.12f} (0.2)")


if __name__ == "__main__":
    main()
