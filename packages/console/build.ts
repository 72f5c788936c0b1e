/**
 * Builds the console into a new folder: `node build.ts FOLDER`. The folder appears only once it is complete. Prints
 * the paths of all modules that are part of the build, as JSON.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

import { compileMessage } from '@lingui/message-utils/compileMessage';
import { build, type Plugin } from 'vite';

/** Anything smaller fits into one packet. */
const MIN_COMPRESSED_BYTES = 1_024;
const COMPRESSED = /\.(?:js|css|svg)$/;

/** Compiles the messages, so that no browser has to parse them. */
const compiledMessages = (): Plugin => ({
  name: 'compiled-messages',
  enforce: 'pre',
  transform(code, id) {
    if (!/\/src\/messages\/\w+\.json$/.test(id)) return undefined;
    const messages: unknown = JSON.parse(code, (_, value: unknown) =>
      typeof value === 'string' ? compileMessage(value) : value,
    );
    return JSON.stringify(messages);
  },
});

/** Otherwise React would include what helps to develop with it. */
process.env['NODE_ENV'] = 'production';

/** Returns the paths of the modules that are part of the build. */
const buildInto = async (folder: string): Promise<readonly string[]> => {
  const modules = new Set<string>();
  await build({
    root: import.meta.dirname,
    configFile: false,
    logLevel: 'silent',
    // Addresses are relative to the page, because a server can have any base path.
    base: './',
    plugins: [
      compiledMessages(),
      {
        name: 'list-modules',
        generateBundle(_, bundle) {
          for (const output of Object.values(bundle))
            if (output.type === 'chunk') for (const id of output.moduleIds) modules.add(id);
        },
      },
    ],
    build: {
      outDir: folder,
      // A test reads from it what each page loads.
      manifest: 'manifest.json',
      emptyOutDir: true,
      // The first browsers with light-dark() in style sheets.
      target: ['chrome123', 'firefox120', 'safari17.5'],
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0,
      reportCompressedSize: false,
    },
  });
  return [...modules].filter(id => existsSync(id));
};

/** Writes compressed copies beside the assets, as small as possible: they are built once and sent often. */
const compressAssets = (directory: string): void => {
  for (const name of readdirSync(directory).filter(each => COMPRESSED.test(each))) {
    const path = join(directory, name);
    const bytes = readFileSync(path);
    if (bytes.length < MIN_COMPRESSED_BYTES) continue;
    const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  }
};

/** Another process may have built the same folder at the same time. */
const publish = (built: string, folder: string): void => {
  try {
    renameSync(built, folder);
  } catch (error) {
    rmSync(built, { recursive: true });
    if (!existsSync(join(folder, 'index.html'))) throw error;
  }
};

const main = async (argument: string | undefined): Promise<void> => {
  if (argument === undefined) throw new Error('usage: node build.ts FOLDER');
  const folder = resolve(argument);
  mkdirSync(dirname(folder), { recursive: true });
  const built = `${folder}.new-${process.pid}`;
  process.once('SIGTERM', () => {
    rmSync(built, { recursive: true, force: true });
    process.exit(1);
  });
  const modules = await buildInto(built);
  compressAssets(join(built, 'assets'));
  publish(built, folder);
  process.stdout.write(JSON.stringify(modules));
};

main(process.argv[2]).catch((error: unknown) => {
  process.stderr.write(error instanceof Error ? error.message : String(error));
  process.exit(1);
});
