"""Fits the polynomials of kernels/arithmetic.inc (numpy, mpmath) and prints them as float32 literals.

Each is a least-squares fit on Chebyshev nodes, reweighted until the error is level (Lawson), with the leading
coefficients rounded to float32 one after the other so that the later ones absorb the rounding of the earlier.
"""

import mpmath as mp
import numpy as np

mp.mp.dps = 40


def fit(function, low: float, high: float, degree: int, weight=lambda x: 1.0) -> list[np.float32]:
    nodes = 0.5 * (low + high) + 0.5 * (high - low) * np.cos(np.pi * (np.arange(2000) + 0.5) / 2000)
    values = np.array([float(function(mp.mpf(float(x)))) for x in nodes])
    base = np.array([weight(float(x)) for x in nodes])
    chosen: list[np.float32] = []
    for first in range(degree + 1):
        rest = values - sum(float(c) * nodes**i for i, c in enumerate(chosen))
        powers = np.stack([nodes**i for i in range(first, degree + 1)], axis=1)
        scale = np.ones_like(nodes)
        for _ in range(60):
            row = base * np.sqrt(scale)
            solution, *_ = np.linalg.lstsq(powers * row[:, None], rest * row, rcond=None)
            error = np.abs((powers @ solution - rest) * base)
            scale *= error + 1e-30
            scale /= scale.mean()
        chosen.append(np.float32(solution[0]))
    error = np.abs((sum(float(c) * nodes**i for i, c in enumerate(chosen)) - values) * base).max()
    print(f"  weighted error {error:.3g}")
    return chosen


def show(name: str, coefficients: list[np.float32]) -> None:
    print(name, ", ".join(f"{float(c).hex()}F" for c in coefficients))


def main() -> None:
    half = 0.5 * float(mp.log(2)) * 1.01
    show("exp: (e^r - 1 - r) / r^2", fit(lambda r: (mp.expm1(r) - r) / r**2, -half, half, 5, lambda r: r * r))
    show(
        "log: (log(1+f) - f + f^2/2) / f^3",
        fit(
            lambda f: (mp.log1p(f) - f + f * f / 2) / f**3,
            -0.2930,
            0.4143,
            8,
            lambda f: abs(f * f * f / np.log1p(f)) if f else 0.0,
        ),
    )
    top = (float(mp.pi) / 4 * 1.01) ** 2
    show("sin: (sin r - r) / r^3 in r^2", fit(lambda s: (mp.sin(mp.sqrt(s)) - mp.sqrt(s)) / mp.sqrt(s) ** 3, 1e-9, top, 3, lambda s: s))
    show("cos: (cos r - 1 + r^2/2) / r^4 in r^2", fit(lambda s: (mp.cos(mp.sqrt(s)) - 1 + s / 2) / s**2, 1e-9, top, 3, lambda s: s * s))
    show("sin^2: (sin^2 r - r^2) / r^4 in r^2", fit(lambda s: (mp.sin(mp.sqrt(s)) ** 2 - s) / s**2, 1e-9, 0.83**2, 3, lambda s: s * s))
    show("erf, |x| < 1: erf(x)/x - 1 in x^2", fit(lambda s: mp.erf(mp.sqrt(s)) / mp.sqrt(s) - 1, 1e-9, 1.0, 8))
    show(
        "erf, 1 <= |x| <= 4: log(erfc(x))",
        fit(lambda x: mp.log(mp.erfc(x)), 0.99, 4.0, 9, lambda x: float(mp.erfc(x))),
    )


if __name__ == "__main__":
    main()
