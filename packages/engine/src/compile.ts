import type { CompileDeps } from './conditions.ts';
import { staleKeys, type ChangeHint } from './diff.ts';
import { readEnvelope, type Contents, type Definitions, type Envelope } from './envelope.ts';
import { asMalformed, compileFlag } from './flags.ts';
import { analyzeGraph, type GraphPosition, type GraphNode } from './graph.ts';
import type { CompiledFlag, CompiledFlagSet, LazySegment, LazyFlag } from './model.ts';
import { PersistentMap } from './persistent-map.ts';
import type { Finding, Problem } from './problems.ts';
import type { RegexEngine } from './re2-subset.ts';
import { lazySegment } from './segments.ts';

/** How many flags deep a flag may depend on others. */
const MAX_DEPENDENCY_DEPTH = 10;

type LazyFlags = PersistentMap<LazyFlag>;
type LazySegments = PersistentMap<LazySegment>;

const newLazyFlag = (key: string): LazyFlag => ({
  key,
  compiled: undefined,
  evaluationId: -1,
  result: undefined,
  work: 0,
});

const IN_CYCLE = 'depends on itself through flag conditions: remove one of them';
const TOO_DEEP = `must not depend on other flags more than ${MAX_DEPENDENCY_DEPTH} flags deep`;

const wholeFlag = (flagKey: string, message: string): Problem => ({ flagKey, path: '', message });

const withDepth = (flag: CompiledFlag, { inCycle, depth }: GraphPosition): CompiledFlag => {
  const positioned = { ...flag, depth };
  if (inCycle) return asMalformed(positioned, wholeFlag(flag.key, IN_CYCLE));
  return depth > MAX_DEPENDENCY_DEPTH
    ? asMalformed(positioned, wholeFlag(flag.key, TOO_DEEP))
    : positioned;
};

/** A malformed flag has no edges, because it evaluates no other flag. */
const edgesOf = (flag: CompiledFlag): readonly string[] =>
  flag.problems.length > 0 ? [] : [...flag.referencedFlags];

/** What compiling the flags of one flag set needs. */
type FlagSetDeps = CompileDeps & { readonly contents: Contents; readonly lazyFlags: LazyFlags };

/** Compiles a flag and all flags that it depends on, because its depth depends on theirs. */
const compileLazyFlag = ({ contents, lazyFlags, ...deps }: FlagSetDeps, start: string): void => {
  const drafts = new Map<string, CompiledFlag>();
  const nodeOf = (key: string): GraphNode => {
    const lazyFlag = lazyFlags.get(key);
    if (lazyFlag === undefined) return { edges: [], depth: 0 };
    if (lazyFlag.compiled !== undefined) return { edges: [], depth: lazyFlag.compiled.depth };
    const draft = compileFlag(key, contents.flags.get(key), deps);
    drafts.set(key, draft);
    return { edges: edgesOf(draft), depth: 0 };
  };
  const positions = analyzeGraph(start, nodeOf);
  for (const [key, draft] of drafts) {
    const lazyFlag = lazyFlags.get(key);
    const position = positions.get(key);
    if (lazyFlag !== undefined && position !== undefined)
      lazyFlag.compiled = withDepth(draft, position);
  }
};

/** Returns an item for each definition. */
const itemsFor = <Item>(
  definitions: Definitions,
  createItem: (key: string) => Item,
): PersistentMap<Item> =>
  PersistentMap.from(new Map(definitions.keyList().map(key => [key, createItem(key)] as const)));

/** Returns the items with new ones for the keys that are stale, and without those of removed definitions. */
const itemsAfter = <Item>(
  items: PersistentMap<Item>,
  definitions: Definitions,
  stale: ReadonlySet<string>,
  createItem: (key: string) => Item,
): PersistentMap<Item> =>
  items.with(
    [...stale]
      .filter(key => definitions.has(key) || items.has(key))
      .map(key => [key, definitions.has(key) ? createItem(key) : null]),
  );

/**
 * A class, because V8 makes a hash table of an object with accessors of its own, which is slow to read, and every
 * evaluation reads this one.
 */
class FlagSetOfEnvelope implements CompiledFlagSet {
  readonly refused: boolean;
  readonly contents: Envelope;
  readonly lazyFlags: LazyFlags;
  readonly lazySegments: LazySegments;
  readonly regexEngine: RegexEngine | undefined;
  readonly #deps: FlagSetDeps;
  #flagKeys: readonly string[] | undefined;
  #problems: readonly Problem[] | undefined;

  constructor(
    envelope: Envelope,
    lazyFlags: LazyFlags,
    lazySegments: LazySegments,
    regexEngine: RegexEngine | undefined,
  ) {
    this.refused = envelope.refused;
    this.contents = envelope;
    this.lazyFlags = lazyFlags;
    this.lazySegments = lazySegments;
    this.regexEngine = regexEngine;
    const lookup = {
      flag: (key: string) => lazyFlags.get(key),
      segment: (key: string) => lazySegments.get(key)?.compiled(),
    };
    this.#deps = { contents: envelope, lazyFlags, lookup, regexEngine };
  }

  get flagKeys(): readonly string[] {
    return (this.#flagKeys ??= Object.freeze(this.contents.flags.keyList()));
  }

  get problems(): readonly Problem[] {
    return (this.#problems ??= [
      ...this.contents.problems,
      ...this.flagKeys.flatMap(this.problemsOf),
    ]);
  }

  readonly compiledFlag = (lazyFlag: LazyFlag): CompiledFlag | undefined => {
    if (lazyFlag.compiled === undefined) compileLazyFlag(this.#deps, lazyFlag.key);
    return lazyFlag.compiled;
  };

  readonly problemsOf = (key: string): readonly Problem[] => {
    const lazyFlag = this.lazyFlags.get(key);
    return (lazyFlag && this.compiledFlag(lazyFlag)?.problems) ?? [];
  };

  readonly problemsOfSegment = (key: string): readonly Finding[] =>
    this.lazySegments.get(key)?.compiled().findings ?? [];
}

/**
 * Compiles a flag set, reusing unchanged flags from `previous`. With `hint`, compares only the flags and segments
 * that it names: all others must be the same in both.
 */
export type Compile = (
  flagSet: unknown,
  previous?: CompiledFlagSet,
  hint?: ChangeHint,
) => CompiledFlagSet;

/**
 * Returns `compile` with the given engine for regular expressions. Without one, a flag with the operator
 * `matches` is PARSE_ERROR.
 */
export const compileWith =
  (regexEngine: RegexEngine | undefined): Compile =>
  (flagSet, previous, hint) => {
    const envelope = readEnvelope(flagSet);
    const { flags, segments } = envelope;
    const createSegment = (key: string) => lazySegment(key, segments.get(key), regexEngine);
    // A flag with a regular expression is PARSE_ERROR if it was compiled without an engine for it.
    if (previous?.regexEngine !== regexEngine || previous === undefined)
      return new FlagSetOfEnvelope(
        envelope,
        itemsFor(flags, newLazyFlag),
        itemsFor(segments, createSegment),
        regexEngine,
      );
    const stale = staleKeys(previous.contents, envelope, hint);
    return new FlagSetOfEnvelope(
      envelope,
      itemsAfter(previous.lazyFlags, flags, stale.flags, newLazyFlag),
      itemsAfter(previous.lazySegments, segments, stale.segments, createSegment),
      regexEngine,
    );
  };
