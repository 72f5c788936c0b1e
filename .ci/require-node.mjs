// Runs before TypeScript is loaded, so it must stay plain JavaScript that an old Node understands.
// pnpm puts the workspace's own Node first in the PATH of its scripts. Without pnpm, stop with a remedy.
const wanted = 26;
const found = Number(process.versions.node.split('.')[0]);
if (found < wanted) {
  console.error(
    `Pennon needs Node ${wanted} or newer, but this is ${process.version}. ` +
      'Run it with "npx -y pnpm start" (or test, dev, bench): the workspace brings its own Node.',
  );
  process.exit(1);
}
