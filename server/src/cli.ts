#!/usr/bin/env node
/**
 * The command `pennon`. Imports everything else later: Node 22 warns about SQLite as soon as it is imported,
 * and the filter must be in place by then. An older Node has no SQLite, and npm only warns about its version.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 13)) {
  process.stderr.write(
    `pennon: Node 22.13 or newer is required, but this is ${process.version}: install a newer one, ` +
      'or run npx -y -p node@24 -p pennon pennon start\n',
  );
  process.exit(1);
}

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
