/** A subject in a neutral form, which each engine converts to its own context. */
export type Subject = {
  readonly id: string;
  readonly plan: string;
  readonly country: string;
  readonly age: number;
};

/** One kind of flag, which each engine defines in its own format. */
export type Scenario =
  'attribute and percentage' | 'three-way split' | 'list of countries' | 'no rules';

export const SCENARIOS: readonly Scenario[] = [
  'attribute and percentage',
  'three-way split',
  'list of countries',
  'no rules',
];

/** Returns the value of a flag for a subject. */
export type Evaluate = (flagKey: string, subject: number) => unknown;

export type Engine = {
  readonly name: string;
  /** Sets the engine up with flags of one scenario. */
  readonly prepare: (
    scenario: Scenario,
    flagKeys: readonly string[],
    subjects: readonly Subject[],
  ) => Evaluate;
};

export const COUNTRIES = [
  'AT',
  'BE',
  'BG',
  'CY',
  'CZ',
  'DE',
  'DK',
  'EE',
  'ES',
  'FI',
  'FR',
  'GR',
  'HR',
  'HU',
  'IE',
  'IT',
  'LT',
  'LU',
  'LV',
  'MT',
  'NL',
  'PL',
  'PT',
  'RO',
  'SE',
  'SI',
  'SK',
];
export const COLORS = ['red', 'green', 'blue'] as const;
export const PERCENTAGE = 50;

/** The expected share of subjects that get a value other than the default. */
export const EXPECTED_SHARE: Readonly<Record<Scenario, number>> = {
  'attribute and percentage': 0.75 * (PERCENTAGE / 100),
  'three-way split': 2 / 3,
  'list of countries': 0.5,
  'no rules': 1,
};

/** Three of four subjects are on the plan, and every second one is in one of the countries. */
export const makeSubjects = (count: number): Subject[] =>
  Array.from({ length: count }, (_, at) => ({
    id: `user-${at}-${(at * 2_654_435_761).toString(36)}`,
    plan: at % 4 === 0 ? 'free' : 'pro',
    country: (at % 2 === 0 ? COUNTRIES[at % COUNTRIES.length] : undefined) ?? 'US',
    age: 18 + (at % 50),
  }));
