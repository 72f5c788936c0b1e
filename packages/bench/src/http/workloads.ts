/** The flags of every server: for the plans "pro" and "max", half of the subjects. */
export const FLAG_KEYS = Array.from({ length: 50 }, (_, index) => `flag-${index}`);
export const PLANS = ['pro', 'max'];

const CONTEXTS = Array.from({ length: 1_000 }, (_, index) => ({
  targetingKey: `visitor-${index}`,
  plan: ['free', 'pro', 'max'][index % 3] ?? '',
  country: ['AT', 'DE', 'CH', 'FR'][index % 4] ?? '',
  age: 18 + (index % 60),
}));

export type EvaluationBody = {
  readonly flagKey?: string;
  readonly context: Record<string, string | number>;
};

/** One kind of request. Its bodies are sent in turn. */
export type Workload = {
  readonly name: string;
  readonly path: string;
  readonly bodies: readonly EvaluationBody[];
  /** Settings of Pennon for this workload. */
  readonly settings: Readonly<Record<string, string>>;
  /** The share of a bare server's rate that Pennon must reach. */
  readonly goal: number;
  /** Whether `--quick` leaves it out. */
  readonly isSlow?: boolean;
};

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'one evaluation',
    path: '/api/v1/evaluate',
    bodies: CONTEXTS.map(context => ({ flagKey: 'flag-7', context })),
    settings: {},
    goal: 0.65,
  },
  {
    name: 'one evaluation by OFREP',
    path: '/ofrep/v1/evaluate/flags/flag-7',
    bodies: CONTEXTS.map(context => ({ context })),
    settings: {},
    goal: 0.65,
  },
  {
    name: '50 flags, a context seen before',
    path: '/api/v1/evaluations',
    bodies: CONTEXTS.map(context => ({ context })),
    settings: {},
    goal: 0.7,
  },
  {
    name: '50 flags, new contexts (PENNON_CACHE_ENTRIES=0)',
    path: '/api/v1/evaluations',
    bodies: CONTEXTS.map(context => ({ context })),
    settings: { PENNON_CACHE_ENTRIES: '0' },
    goal: 0.45,
    isSlow: true,
  },
  {
    name: '50 flags by OFREP, a context seen before',
    path: '/ofrep/v1/evaluate/flags',
    bodies: CONTEXTS.map(context => ({ context })),
    settings: {},
    goal: 0.7,
  },
  {
    name: '50 flags by OFREP, new contexts (PENNON_CACHE_ENTRIES=0)',
    path: '/ofrep/v1/evaluate/flags',
    bodies: CONTEXTS.map(context => ({ context })),
    settings: { PENNON_CACHE_ENTRIES: '0' },
    goal: 0.45,
    isSlow: true,
  },
];
