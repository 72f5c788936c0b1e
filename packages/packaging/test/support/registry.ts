import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { runServer } from 'verdaccio';

/** A local package registry that forwards requests for unknown packages to npm's registry. */
export type Registry = {
  readonly url: string;
  /** The environment variables that make npm use this registry. */
  readonly env: Readonly<Record<string, string>>;
  /** Returns the latest log lines. They show why npm's registry failed, which npm itself does not. */
  warnings(): string;
  close(): Promise<void>;
};

/** Reads a setting of npm, such as its registry. Returns undefined if it is not set. */
const npmSetting = (name: string): string | undefined => {
  const setting = execFileSync('npm', ['config', 'get', name], { encoding: 'utf8' }).trim();
  return setting === '' || setting === 'null' || setting === 'undefined' ? undefined : setting;
};

const uplink = () => {
  const [ca, proxy] = [npmSetting('cafile'), npmSetting('https-proxy')];
  return {
    url: npmSetting('registry'),
    timeout: '60s',
    // One slow response must not disable the uplink for minutes.
    max_fails: 100,
    fail_timeout: '1s',
    // Verdaccio expects the certificates themselves, not the path of a file.
    ...(ca !== undefined && { ca: readFileSync(ca, 'utf8') }),
    ...(proxy !== undefined && { https_proxy: proxy }),
  };
};

export const startRegistry = async (directory: string): Promise<Registry> => {
  const storage = join(directory, 'storage');
  mkdirSync(storage);
  const log = join(directory, 'warnings.log');
  writeFileSync(log, '');
  const server: Server = await runServer({
    storage,
    self_path: directory,
    configPath: directory,
    auth: { htpasswd: { file: join(directory, 'htpasswd') } },
    uplinks: { npm: uplink() },
    packages: {
      '@pennon/*': { access: '$all', publish: '$all' },
      '**': { access: '$all', proxy: 'npm' },
    },
    web: { enable: false },
    log: { type: 'file', path: log, format: 'json', level: 'warn' },
  });
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;
  const userconfig = join(directory, 'npmrc');
  writeFileSync(userconfig, `registry=${url}\n//127.0.0.1:${port}/:_authToken=token\n`);
  return {
    url,
    env: {
      npm_config_userconfig: userconfig,
      npm_config_cache: join(directory, 'cache'),
      npm_config_fetch_retries: '5',
    },
    warnings: () => readFileSync(log, 'utf8').slice(-5_000),
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
};
