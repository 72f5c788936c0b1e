// Answers batches of questions with the TypeScript engine: one line in, one line out.
import { createInterface } from 'node:readline';

import { compile, evaluate } from '../../packages/engine/src/index.ts';

const answered = ({ flagSet, flagKey, context }) => {
  const compiled = compile(flagSet);
  const problems = compiled.problems.map(({ flagKey, path }) => ({ flagKey, path }));
  return { answer: evaluate(compiled, flagKey, context), problems };
};

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  process.stdout.write(`${JSON.stringify(JSON.parse(line).map(answered))}\n`);
}
