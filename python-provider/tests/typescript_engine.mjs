// Runs the TypeScript engine: a line with a list of requests in, a line with their results out.
import { createInterface } from 'node:readline';

import { compile, diffFlagSets, evaluate } from '../../packages/engine/src/index.ts';

const evaluated = ({ flagSet, flagKey, context }) => {
  const compiled = compile(flagSet);
  const problems = compiled.problems;
  return { result: evaluate(compiled, flagKey, context), problems };
};

const run = request =>
  'previous' in request ? diffFlagSets(request.previous, request.current) : evaluated(request);

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  process.stdout.write(`${JSON.stringify(JSON.parse(line).map(run))}\n`);
}
