/** Who asks: the same people for every engine, in the words of a neutral record. */
export type Subject = {
  readonly id: string;
  readonly plan: string;
  readonly country: string;
  readonly age: number;
};

/** One kind of flag, which every engine writes in its own language. */
export type Scenario =
  'attribute and percentage' | 'three-way split' | 'list of countries' | 'no rules';

export const SCENARIOS: readonly Scenario[] = [
  'attribute and percentage',
  'three-way split',
  'list of countries',
  'no rules',
];

/** An engine set up for one scenario: what it serves to a subject, by a flag's key. */
export type Ask = (flagKey: string, subject: number) => unknown;

export type Engine = {
  readonly name: string;
  /** Whether this engine has such flags at all. */
  readonly prepare: (
    scenario: Scenario,
    flagKeys: readonly string[],
    subjects: readonly Subject[],
  ) => Ask;
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

/** The share of subjects that get what is not the default, by which each engine is checked to really decide. */
export const EXPECTED_SHARE: Readonly<Record<Scenario, number>> = {
  'attribute and percentage': 0.75 * (PERCENTAGE / 100),
  'three-way split': 2 / 3,
  'list of countries': 0.5,
  'no rules': 1,
};

/** Three of four are on the plan, and every other lives in one of the countries. */
export const makeSubjects = (count: number): Subject[] =>
  Array.from({ length: count }, (_, at) => ({
    id: `user-${at}-${(at * 2_654_435_761).toString(36)}`,
    plan: at % 4 === 0 ? 'free' : 'pro',
    country: (at % 2 === 0 ? COUNTRIES[at % COUNTRIES.length] : undefined) ?? 'US',
    age: 18 + (at % 50),
  }));
