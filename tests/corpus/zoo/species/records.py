"""The records that the zoo is trained on and scored with: seeded, so that the same call gives the same."""

import numpy as np
from sklearn.datasets import load_digits

COLUMNS = 30
# Columns of `credit` that hold a few codes: what a person would call categories.
CATEGORIES = [10, 11, 12, 13, 14]


def credit(count, seed):
    """[count, 30] of float64 as lenders have them: ages, skewed sums of money, counts, codes with many and
    few values, flags, days, and noise; some columns depend on others."""
    draw = np.random.default_rng(seed)
    age = np.clip(draw.normal(42, 14, count), 18, 95).round()
    income = np.exp(draw.normal(10.4, 0.6, count)).round(2)
    debt = (income * draw.beta(1.2, 5, count)).round(2)
    columns = [age, income, debt, debt / income]
    columns += [draw.poisson(1 + mean, count) for mean in range(6)]
    columns += [draw.zipf(1.5, count) % values for values in (3, 5, 12, 40, 200)]
    columns += [draw.random(count) < 0.1 * (flag + 1) for flag in range(5)]
    columns.append(draw.integers(1, 3650, count))
    columns.append(np.exp(draw.normal(6, 1.5, count)).round(2))
    columns.append(np.where(draw.random(count) < 0.6, 0, np.exp(draw.normal(5, 1, count))))
    while len(columns) < COLUMNS:
        columns.append(draw.normal(0, 1, count) + 0.3 * age / 40)
    return np.column_stack(columns).astype(np.float64)


def score(records, seed):
    """What a record is worth: smooth and stepped in some columns, and noise."""
    c = records.T
    noise = np.random.default_rng(seed).normal(0, 1, len(records))
    smooth = 0.04 * (c[0] - 42) - 0.4 * np.log(c[1]) + 6 * c[3] + 0.3 * c[5] - 0.2 * c[7]
    return smooth + 0.5 * c[16] + np.sin(2 * c[24]) + 0.7 * (c[11] == 2) + noise


def with_gaps(records, seed):
    """The records without one in twenty of the values in every third column."""
    gone = np.random.default_rng(seed).random(records.shape) < 0.05
    gone[:, [column for column in range(records.shape[1]) if column % 3]] = False
    return np.where(gone, np.nan, records)


# Columns of `coded` that hold codes, and how many each knows of.
CODES = {0: 10, 1: 50, 2: 200, 3: 200, 4: 1000, 5: 1000}


def coded(count, seed):
    """[count, 30]: codes of few and of very many values, as shops, towns and articles have, some of them
    much more often than others, and noise."""
    draw = np.random.default_rng(seed)
    columns = [np.minimum(draw.zipf(1.3, count) - 1, codes - 1) if column % 2 else draw.integers(0, codes, count)
               for column, codes in CODES.items()]
    columns += [draw.normal(0, 1, count) for _ in range(COLUMNS - len(columns))]
    return np.column_stack(columns).astype(np.float64)


def worth_of_codes(records, seed):
    """What each code is worth, more or less of it as another column has it, and noise."""
    draw = np.random.default_rng(seed)
    worth = sum(draw.normal(0, 1, codes)[records[:, column].astype(int)] for column, codes in CODES.items())
    return worth * (1 + 0.5 * records[:, 10]) + records[:, 12] + draw.normal(0, 0.5, len(records))


def digits():
    """[1797, 64] of counts 0 to 16, and which digit each record shows."""
    loaded = load_digits()
    return loaded.data, loaded.target


class Table:
    """Records to train on with their targets, and fresh ones to score."""

    def __init__(self, count, fresh):
        self.records = credit(count, 1)
        self.gaps = with_gaps(self.records, 2)
        self.score = score(self.records, 3)
        self.fresh = credit(fresh, 4)
        self.fresh_gaps = with_gaps(self.fresh, 5)
        self.codes = coded(count, 6)
        self.worth = worth_of_codes(self.codes, 7)
        # Codes that no tree knows, gaps, and numbers that are no codes.
        self.fresh_codes = with_gaps(coded(fresh, 8), 9)
        self.fresh_codes[::7, 1] += 1000
        self.fresh_codes[::11, 4] += 0.5
        self.fresh_codes[::13, 2] *= -1

    @property
    def is_good(self):
        return (self.score > np.median(self.score)).astype(np.int64)

    def graded(self, grades):
        """As many classes of equal size."""
        inner = np.linspace(0, 1, grades + 1)[1:-1]
        return np.digitize(self.score, np.quantile(self.score, inner))
