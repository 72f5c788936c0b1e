"""Writes reference.json: results in 60 digits for extreme and random input, computed from the formulae.

Needs mpmath: python3 -m pip install mpmath && python3 reference.py
"""

import json
import random
from pathlib import Path

from mpmath import beta as beta_function
from mpmath import betainc, ceil, erfc, erfinv, exp, expm1, findroot, gammainc, inf, isfinite
from mpmath import loggamma, log, log1p, mp, mpf, npdf, quad, sign, sqrt

mp.dps = 60
random.seed(13)
cases = []


def number(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    return float(value) if isfinite(value) else None


def plain(value):
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return number(value)


def case(call, title, given, expected, **tolerance):
    cases.append(
        {"id": f"{call}: {title}", "call": call, "input": given, "expected": plain(expected), **tolerance}
    )


# Distributions


def normal_sf(x):
    return erfc(mpf(x) / sqrt(2)) / 2


def normal_quantile(p):
    """Newton's method on the smaller tail."""
    p = mpf(p)
    if p > mpf(1) / 2:
        return -normal_quantile(1 - p)
    start = -sqrt(-2 * log(p)) if p < mpf("1e-5") else sqrt(2) * erfinv(2 * p - 1)
    return findroot(lambda x: log(normal_sf(-x)) - log(p), start)


def t_sf(x, df):
    x, df = mpf(x), mpf(df)
    if x < 0:
        return 1 - t_sf(-x, df)
    if x * x < df:
        # mpmath subtracts a lower tail, whose digits it needs as well.
        mp.dps = 260
        tail = betainc(mpf(1) / 2, df / 2, x * x / (df + x * x), 1, regularized=True) / 2
        mp.dps = 60
        return tail
    return betainc(df / 2, mpf(1) / 2, 0, df / (df + x * x), regularized=True) / 2


def t_density(x, df):
    return exp(
        loggamma((df + 1) / 2) - loggamma(df / 2) - log(df * mp.pi) / 2 - (df + 1) / 2 * log1p(x * x / df)
    )


def t_quantile(p, df):
    p, df = mpf(p), mpf(df)
    if p < mpf(1) / 2:
        return -t_quantile(1 - p, df)
    low, high = mpf(0), mpf(10)
    while t_sf(high, df) > 1 - p:
        high *= 10
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if t_sf(middle, df) > 1 - p else (low, middle)
    x = (low + high) / 2
    for _ in range(4):
        x += (t_sf(x, df) - (1 - p)) / t_density(x, df)
    return x


def beta_sf(x, a, b):
    return betainc(mpf(a), mpf(b), mpf(x), 1, regularized=True)


for x in [-8, -1.5, 1e-10, 15, 30, 37.5]:
    case("normal.sf", x, {"x": x}, {"value": normal_sf(x)})
for p in [1e-300, 1e-20, 0.3, 0.999999]:
    case("normal.quantile", p, {"p": p}, {"value": normal_quantile(p)})
for x, df in [(1e-5, 3), (50, 1.2), (6, 2e9), (30, 2e9), (-3, 10), (2, 0.8), (1.5, 1), (12, 99)]:
    case("t.sf", f"{x}, {df}", {"x": x, "degreesOfFreedom": df}, {"value": t_sf(x, df)})
for p, df in [(0.6, 5), (0.9999999, 3), (0.975, 1.01), (0.975, 2e9), (0.02, 40), (0.9996, 250.75)]:
    case("t.quantile", f"{p}, {df}", {"p": p, "degreesOfFreedom": df}, {"value": t_quantile(p, df)})
for x, df in [(1e-8, 1), (1300, 1), (50, 30), (3, 4)]:
    value = gammainc(mpf(df) / 2, mpf(x) / 2, inf, regularized=True)
    case("chiSquare.sf", f"{x}, {df}", {"x": x, "degreesOfFreedom": df}, {"value": value})
for x, a, b in [(0.3, 0.5, 0.5), (0.999, 2, 3), (1e-3, 1, 1e6), (0.6, 1000, 1000), (0.02, 0.5, 200.5)]:
    case("beta.sf", f"{x}, {a}, {b}", {"x": x, "a": a, "b": b}, {"value": beta_sf(x, a, b)})

# Moments and comparisons


def sample(m):
    n = mpf(m["n"])
    if "sumNumerator" in m:
        ratio = mpf(m["sumNumerator"]) / mpf(m["sumDenominator"])
        squares = (
            mpf(m["sumSquaresNumerator"])
            - 2 * ratio * mpf(m["sumProducts"])
            + ratio**2 * mpf(m["sumSquaresDenominator"])
        )
        return n, ratio, squares / (n - 1) / (mpf(m["sumDenominator"]) / n) ** 2
    total = mpf(m["sum"])
    return n, total / n, (mpf(m["sumSquares"]) - total**2 / n) / (n - 1)


def relative(control, treatment, covariance, c):
    (mc, vc), (mt, vt), u = control, treatment, mpf(covariance)
    lift = (mt - mc) / abs(mc) if mc != 0 else None
    a = mc**2 - c**2 * (vc + u)
    if a <= 0:
        return lift, None, None
    b, d = mc * mt - c**2 * u, mt**2 - c**2 * (vt + u)
    root = sqrt(b**2 - a * d)
    low, high = (b - root) / a - 1, (b + root) / a - 1
    return (lift, low, high) if mc > 0 else (lift, -high, -low)


def effect(control, treatment):
    (nc, mc, sc), (nt, mt, st) = control, treatment
    vc, vt = sc / nc, st / nt
    df = (vc + vt) ** 2 / (vc**2 / (nc - 1) + vt**2 / (nt - 1))
    return (mc, vc), (mt, vt), mt - mc, sqrt(vc + vt), df


def intervals(c, t, u, difference, error, multiplier):
    lift, low, high = relative(c, t, u, multiplier)
    return {
        "lower": difference - multiplier * error,
        "upper": difference + multiplier * error,
        "relative": lift,
        "relativeLower": low,
        "relativeUpper": high,
    }


def welch(control, treatment, alpha, u=0):
    c, t, difference, error, df = effect(control, treatment)
    multiplier = t_quantile(1 - mpf(alpha) / 2, df)
    return {
        "difference": difference,
        "standardError": error,
        "degreesOfFreedom": df,
        "pValue": 2 * t_sf(abs(difference) / error, df),
        **intervals(c, t, u, difference, error, multiplier),
    }


def conversions(n, converted):
    return {"n": n, "sum": converted, "sumSquares": converted, "nonZero": converted}


def values(n, mean, deviation):
    drawn = [round(random.gauss(mean, deviation), 2) for _ in range(n)]
    return {
        "n": n,
        "sum": sum(drawn),
        "sumSquares": sum(x * x for x in drawn),
        "nonZero": sum(x != 0 for x in drawn),
    }


pairs = {
    "a billion units": (conversions(10**9, 50_000_000), conversions(10**9, 50_021_000)),
    "a billion units, rare": (conversions(10**9, 12), conversions(10**9, 31)),
    "a billion units against a hundred": (conversions(10**9, 10**8), conversions(100, 17)),
    "two units": (values(2, 10, 1), values(2, 12, 1)),
    "two units against many": (values(2, 10, 1), values(500, 12, 1)),
    "negative means": (values(400, -30, 4), values(300, -29, 5)),
    "means of other signs": (values(400, -3, 4), values(300, 2, 5)),
    "no difference": (conversions(1000, 50), conversions(1000, 50)),
    "all against almost all": (conversions(1000, 1000), conversions(1000, 990)),
    "small against a constant": (conversions(1000, 12), conversions(1000, 0)),
    "large values": (values(100, 5e6, 4e5), values(100, 5.1e6, 4e5)),
    "small values": (
        {"n": 500, "sum": 2e-160, "sumSquares": 3e-320 * 1e10},
        {"n": 400, "sum": 3e-160, "sumSquares": 4e-320 * 1e10},
    ),
}
for title, (control, treatment) in pairs.items():
    for alpha in [0.05, 1e-6, 0.5]:
        given = {"control": control, "treatment": treatment, "alpha": alpha}
        case(
            "compareMeans",
            f"{title}, alpha {alpha}",
            given,
            welch(sample(control), sample(treatment), alpha),
            # The moments themselves lose digits: the variance is a difference of two sums.
            relative=1e-7 if "large" in title or "small v" in title else 1e-9,
        )


def ratios(n, rate, spread):
    drawn = [(k, sum(random.gauss(rate, spread) for _ in range(k))) for k in (random.randint(0, 9) for _ in range(n))]
    return {
        "n": n,
        "sumNumerator": sum(x for _, x in drawn),
        "sumDenominator": sum(k for k, _ in drawn),
        "sumSquaresNumerator": sum(x * x for _, x in drawn),
        "sumSquaresDenominator": sum(k * k for k, _ in drawn),
        "sumProducts": sum(k * x for k, x in drawn),
    }


for n, rate, spread in [(200, 20, 5), (3, 5, 1), (900, -4, 3), (5000, 0.2, 0.5)]:
    control, treatment = ratios(n, rate, spread), ratios(n, rate * 1.05, spread)
    given = {"control": control, "treatment": treatment, "alpha": 0.05}
    case("compareRatios", f"{n} units, rate {rate}", given, welch(sample(control), sample(treatment), 0.05), relative=1e-8)

for at in range(30):
    mc, mt = random.gauss(0, 2), random.gauss(0, 2)
    vc, vt = 10 ** random.uniform(-9, 0), 10 ** random.uniform(-9, 0)
    u = random.choice([0, 10 ** random.uniform(-9, -1)])
    c = random.uniform(0.1, 6)
    low = relative((mpf(mc), mpf(vc)), (mpf(mt), mpf(vt)), u, mpf(c))
    given = {
        "control": {"mean": mc, "variance": vc},
        "treatment": {"mean": mt, "variance": vt},
        "covariance": u,
        "multiplier": c,
    }
    case("relativeInterval", at, given, dict(zip(("relative", "lower", "upper"), low, strict=True)), relative=1e-8)


def covariates(n, slope):
    drawn = [(y, slope * y + random.gauss(5, 3)) for y in (random.expovariate(0.1) for _ in range(n))]
    return {
        "n": n,
        "sum": sum(x for _, x in drawn),
        "sumSquares": sum(x * x for _, x in drawn),
        "sumCovariate": sum(y for y, _ in drawn),
        "sumSquaresCovariate": sum(y * y for y, _ in drawn),
        "sumProductsCovariate": sum(x * y for y, x in drawn),
    }


def cuped(control, treatment, alpha):
    def squares(m):
        n = mpf(m["n"])
        return (
            mpf(m["sumSquares"]) - mpf(m["sum"]) ** 2 / n,
            mpf(m["sumProductsCovariate"]) - mpf(m["sum"]) * mpf(m["sumCovariate"]) / n,
            mpf(m["sumSquaresCovariate"]) - mpf(m["sumCovariate"]) ** 2 / n,
        )

    (xc, pc, yc), (xt, pt, yt) = squares(control), squares(treatment)
    theta = (pc + pt) / (yc + yt)
    nc, nt = mpf(control["n"]), mpf(treatment["n"])
    common = (mpf(control["sumCovariate"]) + mpf(treatment["sumCovariate"])) / (nc + nt)

    def adjusted(m, x, p, y):
        n = mpf(m["n"])
        mean = mpf(m["sum"]) / n - theta * (mpf(m["sumCovariate"]) / n - common)
        return n, mean, (x - 2 * theta * p + theta**2 * y) / (n - 1)

    c, t = adjusted(control, xc, pc, yc), adjusted(treatment, xt, pt, yt)
    u = theta**2 * (yc + yt) / (nc + nt - 2) / (nc + nt)
    before = xc / (nc - 1) / nc + xt / (nt - 1) / nt
    return {
        "theta": theta,
        "controlMean": c[1],
        "treatmentMean": t[1],
        "controlVariance": c[2],
        "treatmentVariance": t[2],
        "covariance": u,
        "varianceReduction": 1 - (c[2] / nc + t[2] / nt) / before,
        **welch(c, t, alpha, u),
    }


for nc, nt, slope, alpha in [(300, 300, 0.9, 0.05), (40, 900, -2, 0.01), (500, 250, 0.02, 0.2), (20, 20, 5, 1e-4)]:
    control, treatment = covariates(nc, slope), covariates(nt, slope)
    given = {"control": control, "treatment": treatment, "alpha": alpha}
    case("adjustForCovariate", f"{nc}, {nt}, slope {slope}", given, cuped(control, treatment, alpha), relative=1e-7)

# Sequences


def tuning(alpha):
    twice = -2 * log(mpf(alpha))
    return twice + log(twice + 1)


def two_sided(difference, error, units, tuned_alpha, tuned_for, level):
    q = mpf(units) * tuning(tuned_alpha) / mpf(tuned_for)
    z = mpf(difference) / mpf(error)
    multiplier = sqrt(2 * (1 + 1 / q) * log(sqrt(q + 1) / level))
    return multiplier, min(mpf(1), sqrt(q + 1) * exp(-(z**2) * q / (2 * (q + 1))))


def one_sided(difference, error, units, alpha, tuned_for=5000):
    q = mpf(units) * tuning(2 * mpf(alpha)) / mpf(tuned_for)
    z = mpf(difference) / mpf(error)
    multiplier = sqrt(2 * (1 + 1 / q) * log(1 + sqrt(q + 1) / (2 * mpf(alpha))))
    if z <= 0:
        return multiplier, mpf(1)
    return multiplier, min(mpf(1), sqrt(q + 1) / (2 * expm1(z**2 * q / (2 * (q + 1)))))


looks = [(0.02, 0.004, 1, 0.05, 5000), (1e-6, 2e-7, 2e9, 1e-9, 5000), (-3, 0.2, 900, 0.3, 1e9), (1, 0.026, 50_000, 0.05, 50_000)]
looks += [
    (random.gauss(0, 3), 1, 10 ** random.uniform(1, 8), 10 ** random.uniform(-6, -0.4), 10 ** random.uniform(2, 7))
    for _ in range(12)
]
for at, (difference, error, units, alpha, tuned_for) in enumerate(looks):
    common = {"difference": difference, "standardError": error, "units": units, "alpha": alpha, "tunedFor": tuned_for}
    c, p = two_sided(difference, error, units, alpha, tuned_for, mpf(alpha))
    expected = {"multiplier": c, "pValue": p, "lower": difference - c * error, "upper": difference + c * error}
    case("confidenceSequence", f"both, {at}", {**common, "side": "both"}, expected)
    c, p = one_sided(difference, error, units, alpha, tuned_for)
    expected = {"multiplier": c, "pValue": p, "lower": difference - c * error}
    case("confidenceSequence", f"lower, {at}", {**common, "side": "lower"}, expected)

for at in range(16):
    difference, error = random.gauss(0, 3), random.uniform(0.5, 1.5)
    units, planned = 10 ** random.uniform(2, 8), 10 ** random.uniform(3, 8)
    alpha, df, ended = 10 ** random.uniform(-4, -0.5), 10 ** random.uniform(1, 8), at % 2 == 0
    level = mpf(alpha) / 5
    c, p = two_sided(difference, error, units, level, mpf(planned) / 2, level)
    p = min(mpf(1), 5 * p)
    if ended:
        c = min(c, t_quantile(1 - mpf(alpha) * 2 / 5, df))
        p = min(p, mpf(5) / 2 * t_sf(abs(difference) / mpf(error), df))
    given = {
        "difference": difference,
        "standardError": error,
        "degreesOfFreedom": df,
        "units": units,
        "plannedUnits": planned,
        "alpha": alpha,
        "ended": ended,
    }
    case("hybrid", at, given, {"pValue": p, "multiplier": c, "lower": difference - c * error, "upper": difference + c * error})

# Counts


def ln_mean(logs):
    return log(sum(exp(each) for each in logs) / len(logs))


def sample_ratio(phases):
    logs = []
    for k in (10, 100, 1000, 10_000):
        total = mpf(0)
        for phase in phases:
            weights = sum(phase["weights"])
            total += loggamma(k) - loggamma(k + sum(phase["counts"]))
            for count, weight in zip(phase["counts"], phase["weights"], strict=True):
                if weight:
                    share = mpf(weight) / weights
                    total += loggamma(k * share + count) - loggamma(k * share) - count * log(share)
        logs.append(total)
    evidence = ln_mean(logs)
    return {"logEvidence": evidence, "pValue": min(mpf(1), exp(-evidence)), "mismatch": bool(exp(evidence) >= 100)}


for phases in [
    [{"counts": [0, 0], "weights": [1, 1]}],
    [{"counts": [1, 0], "weights": [1, 1]}],
    [{"counts": [500, 498, 0], "weights": [1, 1, 0]}],
    [{"counts": [10**7, 10**7 + 9000], "weights": [1, 1]}],
    [{"counts": [30, 20, 25, 24, 61], "weights": [1, 1, 1, 1, 2]}],
    [{"counts": [30, 70], "weights": [1, 9]}, {"counts": [0, 0], "weights": [1, 1]}, {"counts": [80, 75], "weights": [50, 50]}],
    [{"counts": [99, 1], "weights": [99, 1]}],
]:
    case("sampleRatio", json.dumps(phases), {"phases": phases}, sample_ratio(phases), relative=1e-6, absolute=1e-6)


def ln_integral(a, b, w):
    """The logarithm of the integral of x^(a-1) (1-x)^(b-1) from w to 1, scaled by its largest value."""
    if a + b < 5000:
        return log(betainc(a, b, w, 1))
    mode = max(w, (a - 1) / (a + b - 2))
    top = (a - 1) * log(mode) + (b - 1) * log(1 - mode)
    width = sqrt(mode * (1 - mode) / (a + b))
    points = sorted({w, mpf(1), *(min(mpf(1), max(w, mode + width * at)) for at in (-20, -6, -2, -0.5, -0.1, -0.02, 0.02, 0.1, 0.5, 2, 6, 20))})
    return top + log(quad(lambda x: exp((a - 1) * log(x) + (b - 1) * log(1 - x) - top), points))


def exact_harm(kt, kc, share, tolerance):
    w = mpf(share) * (1 + mpf(tolerance))
    w /= w + 1 - mpf(share)
    logs = []
    for k in (2, 20, 200, 2000, 20_000):
        a, b = k * w, k * (1 - w)
        logs.append(ln_integral(a + kt, b + kc, w) - ln_integral(a, b, w) - kt * log(w) - kc * log(1 - w))
    evidence = ln_mean(logs)
    return {"nullShare": w, "logEvidence": evidence, "pValue": min(mpf(1), exp(-evidence))}


mp.dps = 30
for kt, kc, share, tolerance in [
    (0, 100_000, 0.5, 0),
    (80_000, 120_000, 0.5, 0),
    (3, 0, 0.01, 0),
    (0, 7, 0.99, 0.1),
    (900, 20, 0.3, 1),
    (40, 55, 0.5, -0.2),
    (200_000, 199_000, 0.5, 0.01),
]:
    given = {"treatmentUnits": kt, "controlUnits": kc, "share": share, "tolerance": tolerance}
    case("exactHarm", f"{kt}, {kc}, {share}, {tolerance}", given, exact_harm(kt, kc, share, tolerance), relative=1e-6, absolute=1e-6)
mp.dps = 60

for title, (control, treatment) in {**pairs, "ratio": (ratios(300, 20, 5), ratios(300, 23, 5))}.items():
    for direction, tolerance, alpha in [("decrease", 0, 0.05), ("increase", 0.03, 0.0125), ("decrease", 0.5, 1e-4)]:
        (nc, mc, sc), (nt, mt, st) = sample(control), sample(treatment)
        s, tolerated = (1 if direction == "decrease" else -1), mpf(tolerance)
        harm = s * (mt - mc) - tolerated * abs(mc)
        error = sqrt(st / nt + (1 + s * tolerated * sign(mc)) ** 2 * sc / nc)
        c, p = one_sided(harm, error, nc + nt, alpha)
        lower = harm - c * error
        expected = {
            "harm": harm,
            "standardError": error,
            "multiplier": c,
            "lower": lower,
            "pValue": p,
            "failing": bool(lower > 0 and min(nc, nt) >= 100),
        }
        given = {"control": control, "treatment": treatment, "direction": direction, "tolerance": tolerance, "alpha": alpha}
        case("meanHarm", f"{title}, {direction}, {tolerance}", given, expected, relative=1e-6)

# Bayesian


def posterior(m, s, prior, alpha):
    precision, weighted = 1 / mpf(s) ** 2, mpf(m) / mpf(s) ** 2
    if prior:
        precision += 1 / mpf(prior["standardDeviation"]) ** 2
        weighted += mpf(prior["mean"]) / mpf(prior["standardDeviation"]) ** 2
    mean, deviation = weighted / precision, sqrt(1 / precision)
    k = mean / deviation
    width = normal_quantile(1 - mpf(alpha) / 2) * deviation
    return {
        "mean": mean,
        "standardDeviation": deviation,
        "chanceToWin": normal_sf(-k),
        "expectedLossTreatment": deviation * (npdf(k) - k * normal_sf(k)),
        "expectedLossControl": deviation * (npdf(k) + k * normal_sf(-k)),
        "lower": mean - width,
        "upper": mean + width,
    }


for m, s, prior, alpha in [
    (0.3, 0.01, None, 0.05),
    (-0.3, 0.01, None, 0.001),
    (0, 0.2, {"mean": 0.01, "standardDeviation": 0.05}, 0.1),
    (5, 1e-6, {"mean": -1, "standardDeviation": 0.3}, 0.05),
]:
    case("normalPosterior", f"{m}, {s}", {"effect": m, "standardError": s, "prior": prior, "alpha": alpha}, posterior(m, s, prior, alpha))


def above(at, bt, ac, bc):
    """P(t > c), integrated over the log-odds of the narrower one."""
    if 1 / at + 1 / bt > 1 / ac + 1 / bc:
        return 1 - above(ac, bc, at, bt)
    norm = log(beta_function(at, bt))
    middle, width = log(at / bt), sqrt(1 / at + 1 / bt)
    points = [middle + width * each for each in (-150, -60, -25, -12, -6, -3, -1, 0, 1, 3, 6, 12, 25, 60, 150)]

    def integrand(y):
        x = 1 / (1 + exp(-y))
        return exp(at * log(x) + bt * log(1 - x) - norm) * betainc(ac, bc, 0, x, regularized=True)

    return quad(integrand, points)


mp.dps = 30
for control, treatment, a, b in [
    ((50, 0), (50, 0), 0.5, 0.5),
    ((50, 0), (60, 3), 0.5, 0.5),
    ((0, 0), (0, 0), 1, 1),
    ((0, 0), (100, 10), 1, 1),
    ((20, 2), (40_000, 5000), 1, 1),
    ((40_000, 5000), (20, 2), 1, 1),
    ((200, 10), (200, 60), 2, 30),
]:
    ac, bc = mpf(a) + control[1], mpf(b) + control[0] - control[1]
    at, bt = mpf(a) + treatment[1], mpf(b) + treatment[0] - treatment[1]
    mc, mt = ac / (ac + bc), at / (at + bt)
    given = {
        "control": {"n": control[0], "conversions": control[1]},
        "treatment": {"n": treatment[0], "conversions": treatment[1]},
        "prior": {"a": a, "b": b},
    }
    expected = {
        "meanControl": mc,
        "meanTreatment": mt,
        "chanceToWin": above(at, bt, ac, bc),
        "expectedLossTreatment": mc * above(ac + 1, bc, at, bt) - mt * above(ac, bc, at + 1, bt),
        "expectedLossControl": mt * above(at + 1, bt, ac, bc) - mc * above(at, bt, ac + 1, bc),
    }
    case("betaBinomial", f"{control}, {treatment}, prior {a}", given, expected, relative=1e-8, absolute=1e-12)
mp.dps = 60

# Planning

for at in range(10):
    conversion = at % 2 == 0
    baseline = random.uniform(0.01, 0.6) if conversion else random.gauss(0, 50)
    deviation, mde = random.uniform(1, 100), random.uniform(-0.3, 0.3)
    ratio, alpha, power = random.choice([0.1, 1, 3]), 10 ** random.uniform(-3, -0.7), random.uniform(0.5, 0.99)
    target = mpf(baseline) * (1 + mpf(mde))
    first, second = (mpf(baseline) * (1 - mpf(baseline)), target * (1 - target)) if conversion else (mpf(deviation) ** 2,) * 2
    z = normal_quantile(1 - mpf(alpha) / 2) + normal_quantile(power)
    n = z**2 * (first + second / mpf(ratio)) / (mpf(baseline) * mpf(mde)) ** 2
    factor = ((normal_quantile(1 - mpf(alpha) * 2 / 5) + normal_quantile(power)) / z) ** 2
    given = {"kind": "conversion" if conversion else "mean", "baseline": baseline, "detectableEffect": mde}
    given |= {"ratio": ratio, "alpha": alpha, "power": power}
    given |= {} if conversion else {"standardDeviation": deviation}
    expected = {
        "exactControl": n,
        "control": ceil(n),
        "treatment": ceil(n * mpf(ratio)),
        "hybridFactor": factor,
        "hybridControl": ceil(n * factor),
        "hybridTreatment": ceil(n * mpf(ratio) * factor),
    }
    case("sampleSize", at, given, expected)

path = Path(__file__).with_name("reference.json")
path.write_text(json.dumps({"relative": 1e-9, "absolute": 0, "cases": cases}, indent=2) + "\n")
print(len(cases), "cases")
