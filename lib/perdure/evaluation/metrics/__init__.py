"""The metrics, one a file; file name = metric name.

A metric's module gives `tasks` (names of tasks), `direction` ("lower" or "higher" is better) and
`measure(tally) -> Estimate | None` (None where it isn't defined). One whose value rests on a mean over rows also gives
`loss`: a SQL expression over `y` (label) and `p` (probability of class 1, or the prediction). Its paired difference
between two models then comes with an exact standard error; `difference(a, b)` may refine it.

For the expected performance of binary tasks, a `loss` comes with `loss_of(y, p)`, the same in numpy. A metric whose
expectation isn't `measure` of a tally with chances for labels gives `expected(tally)` too.
"""
