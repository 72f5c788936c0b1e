import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { endWithTests } from '../support/process.ts';

/** The port of a proxy, and those of the servers behind it. */
export type Ports = { readonly proxy: number; readonly servers: readonly number[] };

/** Writes the configuration of a proxy. Returns its command. */
export type ProxyProgram = (directory: string, ports: Ports) => readonly [string, ...string[]];

const configurations = new URL('../../../deploy/proxy/', import.meta.url);

const readConfiguration = (file: string): string =>
  readFileSync(new URL(file, configurations), 'utf8');

/** Debian's nginx includes the file in its `http` block. */
export const nginx =
  (file: string): ProxyProgram =>
  (directory, ports) => {
    const site = readConfiguration(file)
      .replace(/server 127\.0\.0\.1:4400(.*;)/, (_, settings: string) =>
        ports.servers.map(port => `server 127.0.0.1:${port}${settings}`).join(' '),
      )
      .replace('listen 80;', `listen ${ports.proxy};`);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      name => `${name}_temp_path ${directory}/${name};`,
    );
    const main = `
      daemon off; pid ${directory}/nginx.pid; error_log stderr;
      events {}
      http { access_log off; ${temporary.join(' ')} gzip on; gzip_types *; include ${directory}/site.conf; }`;
    writeFileSync(join(directory, 'site.conf'), site);
    writeFileSync(join(directory, 'nginx.conf'), main);
    return ['nginx', '-c', join(directory, 'nginx.conf'), '-e', 'stderr'];
  };

/** Without a host name, so that Caddy requests no certificate. With the settings for several servers, if there are. */
export const caddy =
  (file: string): ProxyProgram =>
  (directory, ports) => {
    const servers = ports.servers.map(port => `127.0.0.1:${port}`);
    const site = readConfiguration(file)
      .replace('127.0.0.1:4400', servers.join(' '))
      .replaceAll(servers.length > 1 ? /# (?=health_|lb_)/g : /$^/g, '')
      .replace(/^(flags\.)?example\.com \{/m, `http://:${ports.proxy} {`);
    const config = join(directory, 'Caddyfile');
    // Otherwise it waits for open streams when it stops.
    writeFileSync(config, `{\n\tadmin off\n\tgrace_period 1s\n}\n${site}`);
    return ['caddy', 'run', '--adapter', 'caddyfile', '--config', config];
  };

/** Starts a proxy. Returns how to stop it, which resolves when it has ended and its files are removed. */
export const startProxy = (program: ProxyProgram, ports: Ports): (() => Promise<void>) => {
  const directory = mkdtempSync(join(tmpdir(), 'pennon-proxy-'));
  const [command, ...args] = program(directory, ports);
  const child = spawn(command, args, {
    stdio: 'ignore',
    env: { ...process.env, HOME: directory, XDG_DATA_HOME: directory },
  });
  endWithTests(child);
  const ended = once(child, 'exit');
  return async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(directory, { recursive: true });
  };
};
