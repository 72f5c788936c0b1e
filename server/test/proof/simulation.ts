import { below, oneOf, seededRandom, type Random } from './random.ts';

/** What an application has sent, by its own clock. */
export type SentEvent =
  | {
      readonly type: 'exposure';
      readonly unit: string;
      readonly timeMs: number;
      readonly variant: Variant;
    }
  | {
      readonly type: 'track';
      readonly unit: string;
      readonly timeMs: number;
      readonly name: string;
      /** In hundredths, so that a check can add whole numbers. */
      readonly cents: number;
      readonly currency: string;
    };

export const VARIANTS = ['off', 'on'] as const;
export type Variant = (typeof VARIANTS)[number];

export type SentBatch = {
  readonly instance: string;
  readonly sequence: number;
  readonly events: readonly SentEvent[];
};

export type Size = {
  readonly seed: number;
  /** Seconds of the time that is simulated. */
  readonly seconds: number;
  readonly eventsPerSecond: number;
  readonly units: number;
};

export type Simulation = {
  /** All events, each of them once. */
  readonly events: readonly SentEvent[];
  /** What is sent in each second, in this order. Some batches are sent twice, and later ones overtake. */
  readonly sends: readonly (readonly SentBatch[])[];
};

const SECOND_MS = 1_000;
/** Shorter than the hold of the fold, which is 15 s. */
const LONGEST_DELAY = 12;
const BATCH_EVENTS = 100;
const INSTANCES = 24;
const EXPOSURES = 0.3;
/** Units that an application serves another variant as before. */
const SWITCHING_UNITS = 50;
const REPEATED_BATCHES = 0.1;
const LONGEST_REPEAT = 40;

/** Returns random events from `startMs` on, and when batches of them are sent. */
export const simulate = (
  { seed, seconds, eventsPerSecond, units }: Size,
  startMs: number,
): Simulation => {
  const random = seededRandom(seed);
  const events: SentEvent[] = [];
  const sends = Array.from({ length: seconds + LONGEST_REPEAT + 1 }, (): SentBatch[] => []);
  const sequences = Array.from({ length: INSTANCES }, () => 0);
  for (let second = 0; second < seconds; second += 1) {
    const created = Array.from({ length: eventsPerSecond }, () =>
      createEvent(random, startMs + second * SECOND_MS + below(random, SECOND_MS), units),
    );
    events.push(...created);
    for (const batch of batchesOf(random, created, sequences)) {
      const at = second + 1 + below(random, LONGEST_DELAY);
      const isRepeated = random() < REPEATED_BATCHES;
      const again = at + below(random, seconds + LONGEST_REPEAT + 1 - at);
      for (const each of isRepeated ? [at, Math.min(again, at + LONGEST_REPEAT)] : [at])
        sends[each]?.push(batch);
    }
  }
  return { events, sends: sends.map(batches => shuffled(random, batches)) };
};

const createEvent = (random: Random, timeMs: number, units: number): SentEvent => {
  const number = below(random, units);
  // In the form of the SHA-256 hashes that providers send, whose variants are not checked.
  const unit = `unit-${number}`.padStart(64, '0');
  if (random() < EXPOSURES) {
    const variant = served(random, number);
    // No unit sees two variants at the same instant, of which either may be the first.
    return {
      type: 'exposure',
      unit,
      timeMs: timeMs - (timeMs % 2) + VARIANTS.indexOf(variant),
      variant,
    };
  }
  return {
    type: 'track',
    unit,
    timeMs,
    name: oneOf(random, ['bought', 'bought', 'failed', 'loaded']),
    cents: below(random, 20_000) - 2_000,
    currency: oneOf(random, ['EUR', 'EUR', 'USD']),
  };
};

const served = (random: Random, unit: number): Variant => {
  const usual = VARIANTS[unit % VARIANTS.length] ?? 'off';
  return unit % SWITCHING_UNITS < VARIANTS.length && random() < 0.5
    ? oneOf(random, VARIANTS)
    : usual;
};

/** Divides the events of a second among some instances, which number their batches. */
const batchesOf = (
  random: Random,
  events: readonly SentEvent[],
  sequences: number[],
): readonly SentBatch[] => {
  const batches: SentBatch[] = [];
  for (let first = 0; first < events.length;) {
    const end = first + 1 + below(random, BATCH_EVENTS);
    const instance = below(random, INSTANCES);
    const sequence = (sequences[instance] ?? 0) + 1;
    sequences[instance] = sequence;
    batches.push({
      instance: `instance-${instance}`.padEnd(22, '_'),
      sequence,
      events: events.slice(first, end),
    });
    first = end;
  }
  return batches;
};

const shuffled = <Value>(random: Random, values: readonly Value[]): Value[] =>
  values
    .map(value => ({ value, place: random() }))
    .toSorted((first, second) => first.place - second.place)
    .map(({ value }) => value);
