import type { CompileDeps } from './conditions.ts';
import { staleKeys, type Dependent } from './diff.ts';
import { readEnvelope, type Contents, type Envelope } from './envelope.ts';
import { asMalformed, compileFlag } from './flag.ts';
import { analyzeGraph, type GraphPosition, type Node } from './graph.ts';
import { ownValue } from './json.ts';
import type { CompiledFlag, CompiledFlagSet, SegmentSlot, Slot } from './model.ts';
import type { Problem } from './problems.ts';
import type { Patterns } from './re2-subset.ts';
import { segmentSlot } from './segments.ts';

const MAX_DEPTH = 10;

type Slots = ReadonlyMap<string, Slot>;
type SegmentSlots = ReadonlyMap<string, SegmentSlot>;

const emptySlot = (key: string): Slot => ({
  key,
  flag: undefined,
  evaluationId: -1,
  result: undefined,
});

const IN_CYCLE = 'depends on itself through flag conditions: remove one of them';
const TOO_DEEP = `must not depend on other flags more than ${MAX_DEPTH} flags deep`;

const wholeFlag = (flagKey: string, message: string): Problem => ({ flagKey, path: '', message });

const withDepth = (flag: CompiledFlag, { inCycle, depth }: GraphPosition): CompiledFlag => {
  const positioned = { ...flag, depth };
  if (inCycle) return asMalformed(positioned, wholeFlag(flag.key, IN_CYCLE));
  return depth > MAX_DEPTH ? asMalformed(positioned, wholeFlag(flag.key, TOO_DEEP)) : positioned;
};

/** A malformed flag has no edges, because it evaluates no other flag. */
const edgesOf = (flag: CompiledFlag): readonly string[] =>
  flag.problems.length > 0 ? [] : [...flag.flags];

/** What compiling the flags of one flag set needs. */
type FlagSetDeps = CompileDeps & { readonly contents: Contents; readonly slots: Slots };

/** Compiles a flag together with all flags it depends on. Compiled flags hold no reference to their set. */
const compileSlot = ({ contents, slots, ...deps }: FlagSetDeps, start: string): void => {
  const drafts = new Map<string, CompiledFlag>();
  const nodeOf = (key: string): Node => {
    const slot = slots.get(key);
    if (slot === undefined) return { edges: [], depth: 0 };
    if (slot.flag !== undefined) return { edges: [], depth: slot.flag.depth };
    const draft = compileFlag(key, ownValue(contents.flags, key), deps);
    drafts.set(key, draft);
    return { edges: edgesOf(draft), depth: 0 };
  };
  const positions = analyzeGraph(start, nodeOf);
  for (const [key, draft] of drafts) {
    const slot = slots.get(key);
    const position = positions.get(key);
    if (slot !== undefined && position !== undefined) slot.flag = withDepth(draft, position);
  }
};

/** The compiled flags that refer to others. Flags that are not compiled are never reused. */
const compiledDependents = (slots: Slots): Dependent[] => {
  const dependents: Dependent[] = [];
  for (const { flag } of slots.values())
    if (flag !== undefined && flag.flags.size + flag.segments.size > 0) dependents.push(flag);
  return dependents;
};

/** What a flag set can take over from the previous one: compiled flags and segments, by key. */
type Reusable = {
  readonly slot: (key: string) => Slot | undefined;
  readonly segment: (key: string) => SegmentSlot | undefined;
};

const NOTHING: Reusable = { slot: () => undefined, segment: () => undefined };

const reusableFrom = (previous: CompiledFlagSet, contents: Contents): Reusable => {
  const stale = staleKeys(previous.contents, contents, compiledDependents(previous.slots));
  return {
    slot: key => {
      const slot = stale.flags.has(key) ? undefined : previous.slots.get(key);
      return slot?.flag === undefined ? undefined : slot;
    },
    segment: key => (stale.segments.has(key) ? undefined : previous.segments.get(key)),
  };
};

const mapKeys = <Item>(
  object: Contents['flags'],
  toItem: (key: string) => Item,
): ReadonlyMap<string, Item> => {
  const items = new Map<string, Item>();
  for (const key of Object.keys(object)) items.set(key, toItem(key));
  return items;
};

/** Computes a value on the first call and keeps it. */
const lazily = <Value>(compute: () => Value): (() => Value) => {
  let computed: { readonly value: Value } | undefined;
  return () => (computed ??= { value: compute() }).value;
};

const compiledSet = (
  envelope: Envelope,
  slots: Slots,
  segments: SegmentSlots,
  patterns: Patterns | undefined,
): CompiledFlagSet => {
  const flagKeys = Object.freeze([...slots.keys()]);
  const lookup = {
    slot: (key: string) => slots.get(key),
    segment: (key: string) => segments.get(key)?.compiled(),
  };
  const deps: FlagSetDeps = { contents: envelope, slots, lookup, patterns };
  const compiledFlag = (slot: Slot): CompiledFlag | undefined => {
    if (slot.flag === undefined) compileSlot(deps, slot.key);
    return slot.flag;
  };
  const problemsOf = (key: string): readonly Problem[] => {
    const slot = slots.get(key);
    return (slot && compiledFlag(slot)?.problems) ?? [];
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
    contents: envelope,
    slots,
    segments,
    compiledFlag,
    patterns,
  };
};

/** Compiles a flag set, reusing unchanged flags from `previous`. */
export type Compile = (flagSet: unknown, previous?: CompiledFlagSet) => CompiledFlagSet;

/**
 * Returns `compile` with the given regular expressions. Without any, a flag with the operator `matches`
 * is PARSE_ERROR.
 */
export const compileWith =
  (patterns: Patterns | undefined): Compile =>
  (flagSet, previous) => {
    const envelope = readEnvelope(flagSet);
    // Flags that were compiled with other regular expressions may have another result now.
    const canReuse = previous?.patterns === patterns;
    const reusable = previous && canReuse ? reusableFrom(previous, envelope) : NOTHING;
    const { flags, segments } = envelope;
    const slots = mapKeys(flags, key => reusable.slot(key) ?? emptySlot(key));
    const segmentSlots = mapKeys(
      segments,
      key => reusable.segment(key) ?? segmentSlot(key, segments[key], patterns),
    );
    return compiledSet(envelope, slots, segmentSlots, patterns);
  };
