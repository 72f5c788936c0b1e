import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';

import { builtConsole, type BuiltConsole } from '../../../../server/test/support/console.ts';
import { startServer, type TestServer } from '../../../../server/test/support/server.ts';
import { closePages, startBrowser } from './console-page.ts';

type ServerSetup = NonNullable<Parameters<typeof startServer>[0]>;

/** What the tests of a file have in common, once they run. */
export type ConsoleTests = {
  readonly built: BuiltConsole;
  readonly browser: Browser;
  /** The server of the current test. */
  readonly server: TestServer;
  readonly url: string;
};

/**
 * Starts a browser for the tests of a file, and for each of them a server that has the console. `setUp` returns
 * what it has besides, such as another store than one in memory.
 */
export const setUpConsole = (setUp?: () => Promise<ServerSetup>): ConsoleTests => {
  let built: BuiltConsole | undefined;
  let browser: Browser | undefined;
  let server: TestServer | undefined;
  let url: string | undefined;
  beforeAll(async () => {
    built = await builtConsole();
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    const started = await startServer({ console: begun(built).source, ...(await setUp?.()) });
    server = started;
    url = await started.listen();
    return async () => {
      await closePages(begun(browser));
      await started.close();
    };
  });
  return {
    get built() {
      return begun(built);
    },
    get browser() {
      return begun(browser);
    },
    get server() {
      return begun(server);
    },
    get url() {
      return begun(url);
    },
  };
};

const begun = <Value>(value: Value | undefined): Value => {
  if (value === undefined) throw new Error('this is used before the tests begin');
  return value;
};

/** Expects something of what is read within a while: a busy machine must not fail a test. */
export const expectSoon = (read: () => unknown): ReturnType<typeof expect.poll> =>
  expect.poll(read);

/** A name that looks like markup, and has a mark that reverses what follows. */
export const HOSTILE = '<img src=x onerror=alert(1)> "\u202Egnp.exe';
