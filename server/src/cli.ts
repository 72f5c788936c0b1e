#!/usr/bin/env node
/**
 * The command `pennon`. Imports everything else later: Node 22 warns about SQLite as soon as it is imported,
 * and the filter must be in place by then.
 */
const emitWarning = process.emitWarning.bind(process);
process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
  if (String(warning).startsWith('SQLite is an experimental feature')) return;
  Reflect.apply(emitWarning, undefined, [warning, ...rest]);
}) satisfies typeof process.emitWarning;

const { runCommand } = await import('./commands.ts');
const { exitCode, output, error } = await runCommand(process.argv.slice(2), process.env);
if (output !== undefined) process.stdout.write(output);
if (error !== undefined) process.stderr.write(error);
if (exitCode !== undefined) process.exitCode = exitCode;
