import { files } from './files.ts';
import { contentOf, readFlagFile } from './flag-file.ts';
import type { Content } from './flag-file.ts';

/** Flags from before the server has answered. */
export type Fallback = {
  readonly source: 'cacheFile' | 'bootstrap';
  readonly content: Content;
  /** When they were last known to be current, in milliseconds since 1970. */
  readonly at: number | undefined;
};

type Candidate = () => Promise<Fallback | undefined>;

/** At a first start there is none yet. */
const fromCacheFile = async (path: string): Promise<Fallback | undefined> => {
  const { stat } = await files();
  const found = await stat(path).catch(() => undefined);
  return found && { source: 'cacheFile', content: await readFlagFile(path), at: found.mtimeMs };
};

/** A copy, since whoever made the object may go on with it. */
const fromBootstrap = async (bootstrap: string | object): Promise<Fallback> => ({
  source: 'bootstrap',
  content:
    typeof bootstrap === 'string'
      ? await readFlagFile(bootstrap)
      : contentOf(structuredClone(bootstrap)),
  at: undefined,
});

/** The first copy that `accept` takes: the last flags that were good, and else those given at the start. */
export const findFallback = async (
  given: {
    readonly cacheFile?: string | undefined;
    readonly bootstrap?: string | object | undefined;
  },
  accept: (fallback: Fallback) => Promise<boolean>,
  onTrouble: (message: string) => void,
): Promise<Fallback | undefined> => {
  const { cacheFile, bootstrap } = given;
  const candidates: Candidate[] = [
    ...(cacheFile === undefined ? [] : [() => fromCacheFile(cacheFile)]),
    ...(bootstrap === undefined ? [] : [() => fromBootstrap(bootstrap)]),
  ];
  for (const candidate of candidates) {
    const found = await candidate().catch((error: unknown) => {
      onTrouble(error instanceof Error ? error.message : String(error));
    });
    if (found && (await accept(found))) return found;
  }
  return undefined;
};
