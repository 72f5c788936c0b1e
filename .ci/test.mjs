// The one test command. Only this file and the guard must be readable by an old Node: what is
// imported after the guard is TypeScript, which the workspace's own Node runs as it is.
import './require-node.mjs';

const { runEverything } = await import('./suites.ts');
process.exitCode = await runEverything();
