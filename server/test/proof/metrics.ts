const MINUTE_MS = 60_000;

/** The metrics of the experiment, which are those of the query in docs/events.md. */
export const METRICS = [
  {
    key: 'bought',
    kind: 'conversion',
    event: 'bought',
    window: { toMs: MINUTE_MS },
    covariate: false,
  },
  {
    key: 'revenue',
    kind: 'sum',
    event: 'bought',
    where: [{ attribute: 'currency', operator: 'equals', value: 'EUR' }],
    window: { toMs: 2 * MINUTE_MS },
    cap: 200,
    covariate: false,
  },
  {
    key: 'errors',
    kind: 'count',
    event: 'failed',
    window: { fromMs: 30_000, toMs: 90_000 },
    covariate: false,
  },
  {
    key: 'load-time',
    kind: 'ratio',
    numerator: { kind: 'sum', event: 'loaded' },
    denominator: { kind: 'count', event: 'loaded' },
    window: { toMs: MINUTE_MS },
  },
] as const;

/** Units whose first exposures are in the same minute mature together, because all windows are shorter than an hour. */
export const COHORT_MS = MINUTE_MS;
