import { compileWith, type Compile } from './compile.ts';
import { patterns } from './re2js.ts';

/**
 * Compiles a flag set, each flag when it is first evaluationId for. Never throws: what is malformed answers
 * PARSE_ERROR and is listed in `problems`, and the rest of the set lives. The flag set must not be
 * changed in place afterwards. From the set before, what did not change is taken over.
 *
 * @example
 * const compiled = compile({
 *   flags: { 'new-checkout': { type: 'boolean', enabled: true, variants: { on: true, off: false }, defaultVariant: 'on' } },
 * });
 * evaluate(compiled, 'new-checkout', { targetingKey: 'ada' }); // { variant: 'on', value: true, … }
 */
export const compile: Compile = compileWith(patterns);
