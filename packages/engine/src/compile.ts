import type { CompileDeps } from './conditions.ts';
import { given, isObject, ownValue, type Fields } from './fields.ts';
import { asMalformed, compileFlag } from './flag.ts';
import { analyzeGraph, type Node, type GraphPosition } from './graph.ts';
import type { CompiledFlag, CompiledFlagSet, SegmentSlot, Slot } from './model.ts';
import type { Patterns } from './re2-subset.ts';
import type { Problem } from './problems.ts';
import { segmentSlot } from './segments.ts';
import { name } from './format.ts';

const FORMAT_VERSION = 1;
const MAX_DEPTH = 10;

type Slots = ReadonlyMap<string, Slot>;
type SegmentSlots = ReadonlyMap<string, SegmentSlot>;

const emptySlot = (key: string, raw: unknown): Slot => ({
  key,
  raw,
  flag: undefined,
  evaluationId: -1,
  answer: undefined,
});

const IN_CYCLE = 'it depends on itself through its flag conditions: remove one of them';
const TOO_DEEP = `flag conditions must not lead more than ${MAX_DEPTH} flags deep`;

const wholeFlag = (flagKey: string, message: string): Problem => ({ flagKey, path: '', message });

const withDepth = (flag: CompiledFlag, { inCycle, depth }: GraphPosition): CompiledFlag => {
  const here = { ...flag, depth };
  if (inCycle) return asMalformed(here, wholeFlag(flag.key, IN_CYCLE));
  return depth > MAX_DEPTH ? asMalformed(here, wholeFlag(flag.key, TOO_DEEP)) : here;
};

/** A malformed flag leads nowhere, whatever its conditions name. */
const edgesOf = (flag: CompiledFlag): readonly string[] =>
  flag.problems.length > 0 ? [] : [...flag.flags];

/**
 * Compiles a flag with all that it depends on, so that a flag that is ready needs its set no more
 * and can be taken over into the next one.
 */
const makeReady = (slots: Slots, means: CompileDeps, start: string): void => {
  const drafts = new Map<string, CompiledFlag>();
  const nodeOf = (key: string): Node => {
    const slot = slots.get(key);
    if (slot === undefined) return { edges: [], depth: 0 };
    if (slot.flag !== undefined) return { edges: [], depth: slot.flag.depth };
    const draft = compileFlag(key, slot.raw, means);
    drafts.set(key, draft);
    return { edges: edgesOf(draft), depth: 0 };
  };
  const found = analyzeGraph(start, nodeOf);
  for (const [key, draft] of drafts) {
    const slot = slots.get(key);
    const standing = found.get(key);
    if (slot !== undefined && standing !== undefined) slot.flag = withDepth(draft, standing);
  }
};

type Envelope = {
  readonly flags: Fields;
  readonly segments: Fields;
  readonly refused: boolean;
  readonly problems: readonly Problem[];
};

const refuse = (message: string): Envelope => ({
  flags: {},
  segments: {},
  refused: true,
  problems: [{ flagKey: '', path: '', message }],
});

/** Fields of the envelope that we do not know are ignored: an older engine reads a newer server. */
const open = (flagSet: unknown): Envelope => {
  if (!isObject(flagSet)) return refuse(`a flag set must be an object, and is ${name(flagSet)}`);
  const version = given(flagSet, 'formatVersion') ?? FORMAT_VERSION;
  if (version !== FORMAT_VERSION) {
    return refuse(
      `this engine reads the format version ${FORMAT_VERSION}, not ${name(version)}: update it`,
    );
  }
  const flags = ownValue(flagSet, 'flags');
  if (!isObject(flags))
    return refuse(`a flag set must have an object of flags, and they are ${name(flags)}`);
  const segments = given(flagSet, 'segments') ?? {};
  if (isObject(segments)) return { flags, segments, refused: false, problems: [] };
  const message = `the segments must be an object, and are ${name(segments)}`;
  return {
    flags,
    segments: {},
    refused: false,
    problems: [{ flagKey: '', path: 'segments', message }],
  };
};

/** The keys whose content is not the very same object as before, those that are gone included. */
const changedKeys = (
  now: Fields,
  before: ReadonlyMap<string, { readonly raw: unknown }>,
): Set<string> => {
  const changed = new Set<string>();
  let met = 0;
  for (const key of Object.keys(now)) {
    const known = before.get(key);
    if (known !== undefined) met += 1;
    if (known === undefined || known.raw !== now[key]) changed.add(key);
  }
  if (met === before.size) return changed;
  for (const key of before.keys()) if (!Object.hasOwn(now, key)) changed.add(key);
  return changed;
};

const dependentsOf = (slots: Slots): ReadonlyMap<string, readonly string[]> => {
  const dependents = new Map<string, string[]>();
  for (const { key, flag } of slots.values()) {
    for (const named of flag?.flags ?? []) {
      const known = dependents.get(named);
      if (known === undefined) dependents.set(named, [key]);
      else known.push(key);
    }
  }
  return dependents;
};

const namesAny = (names: ReadonlySet<string>, changed: ReadonlySet<string>): boolean => {
  for (const key of names) if (changed.has(key)) return true;
  return false;
};

/** The changed flags and all that depend on them or on a changed segment, however far. */
const staleKeys = (slots: Slots, flags: ReadonlySet<string>, segments: ReadonlySet<string>) => {
  const dependents = dependentsOf(slots);
  const stale = new Set(flags);
  for (const { key, flag } of slots.values()) {
    if (flag !== undefined && namesAny(flag.segments, segments)) stale.add(key);
  }
  for (const key of stale) for (const dependent of dependents.get(key) ?? []) stale.add(dependent);
  return stale;
};

const openSegments = (
  segments: Fields,
  before: SegmentSlots | undefined,
  patterns: Patterns | undefined,
): SegmentSlots => {
  const slots = new Map<string, SegmentSlot>();
  for (const key of Object.keys(segments)) {
    const raw = segments[key];
    const known = before?.get(key);
    const isSame = known !== undefined && known.raw === raw;
    slots.set(key, isSame ? known : segmentSlot(key, raw, patterns));
  }
  return slots;
};

/**
 * A flag that has been compiled already is taken over where it and all that it depends on are the same
 * objects. One that has not is not: it would keep the set alive in which it would have to compile.
 */
const openFlags = ({ flags, segments }: Envelope, before: CompiledFlagSet | undefined): Slots => {
  const stale =
    before &&
    staleKeys(
      before.slots,
      changedKeys(flags, before.slots),
      changedKeys(segments, before.segments),
    );
  const slots = new Map<string, Slot>();
  for (const key of Object.keys(flags)) {
    const known = stale === undefined || stale.has(key) ? undefined : before?.slots.get(key);
    slots.set(key, known?.flag === undefined ? emptySlot(key, flags[key]) : known);
  }
  return slots;
};

/** Computed when it is first evaluationId for. */
const lazily = <Value>(compute: () => Value): (() => Value) => {
  let computed: { readonly value: Value } | undefined;
  return () => (computed ??= { value: compute() }).value;
};

/** Makes a flag set ready to be evaluationId; from the set before, what did not change is taken over. */
export type Compile = (flagSet: unknown, previous?: CompiledFlagSet) => CompiledFlagSet;

/** Compiles flag sets with these regular expressions; without any, no flag with the operator `matches` is decided. */
export const compileWith =
  (patterns: Patterns | undefined): Compile =>
  (flagSet, previous) => {
    const envelope = open(flagSet);
    // What was compiled with other regular expressions is compiled anew.
    const before = previous?.patterns === patterns ? previous : undefined;
    const segments = openSegments(envelope.segments, before?.segments, patterns);
    const slots = openFlags(envelope, before);
    const flagKeys = Object.freeze([...slots.keys()]);
    const means: CompileDeps = {
      named: {
        slot: key => slots.get(key),
        segment: key => segments.get(key)?.compiled(),
      },
      patterns,
    };
    const ready = (slot: Slot): CompiledFlag | undefined => {
      if (slot.flag === undefined) makeReady(slots, means, slot.key);
      return slot.flag;
    };
    const problemsOf = (key: string): readonly Problem[] => {
      const slot = slots.get(key);
      return (slot && ready(slot)?.problems) ?? [];
    };
    const problems = lazily(() => [...envelope.problems, ...flagKeys.flatMap(problemsOf)]);
    return {
      flagKeys,
      refused: envelope.refused,
      get problems() {
        return problems();
      },
      problemsOf,
      problemsOfSegment: key => segments.get(key)?.compiled().findings ?? [],
      slots,
      segments,
      ready,
      patterns,
    };
  };
