import { compile, evaluate } from '@pennon/engine';
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { foreignContext, foreignFile } from './foreign-files.ts';
import { useServer } from './server.ts';
import { flagdOutcome, loadFlagdLeniently, pennonOutcome } from './support.ts';

const { importFile, flagSetOf } = useServer();

type File = {
  readonly flags: Readonly<Record<string, object>>;
  readonly $evaluators: object;
};

/** Removes the flags that an import refuses, until it succeeds. Each problem names a flag of the file. */
const importAccepted = async (file: File): Promise<File> => {
  const { status, body } = await importFile(file);
  if (status === 200) return file;
  expect([status, body.error?.code]).toEqual([400, 'BAD_REQUEST']);
  const refused = new Set(
    body.error.details
      .filter(({ path }: { path: string }) => path !== '')
      .map(({ path }: { path: string }) => /^flags\.(f\d+)(\.|$)/.exec(path)?.[1]),
  );
  expect([...refused].filter(key => !Object.hasOwn(file.flags, String(key)))).toEqual([]);
  const rest = Object.entries(file.flags).filter(([key]) => !refused.has(key));
  return importAccepted({ ...file, flags: Object.fromEntries(rest) });
};

it('a file of flagd is evaluated as flagd evaluates it, if an import accepts it', async () => {
  const counts = { accepted: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(
      foreignFile,
      fc.array(foreignContext, { minLength: 12, maxLength: 12 }),
      async (file, contexts) => {
        const { flags } = await importAccepted(file);
        counts.accepted += Object.keys(flags).length;
        counts.refused += Object.keys(file.flags).length - Object.keys(flags).length;
        const core = loadFlagdLeniently(JSON.stringify(file));
        const compiled = compile(await flagSetOf());
        for (const [key, flag] of Object.entries(flags))
          for (const context of contexts) {
            const ours = pennonOutcome(evaluate(compiled, key, context));
            const theirs = flagdOutcome(core, key, 'string', context);
            const isSplit = JSON.stringify(flag).includes('fractional');
            if (isSplit && typeof ours === 'object' && typeof theirs === 'object') continue;
            expect({ flag, context, outcome: ours }).toEqual({ flag, context, outcome: theirs });
          }
      },
    ),
    { numRuns: 15, endOnFailure: true },
  );
  expect(counts.accepted).toBeGreaterThan(100);
  expect(counts.refused).toBeGreaterThan(100);
});
