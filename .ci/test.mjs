// Runs every suite. Only this file and the version check must load in an old Node: the import after
// the check is TypeScript, which the workspace's own Node runs directly.
import './require-node.mjs';

const { runEverything } = await import('./suites.ts');
process.exitCode = await runEverything();
