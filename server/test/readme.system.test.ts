import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Settings } from '../src/config.ts';
import { startProcess } from './support/process.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** A default of the table as JSON: what reads as a number is one. */
const asJson = (text: string): string => (/^\d+$/.test(text) ? text : JSON.stringify(text));

describe('the README', () => {
  it('lists every setting with its default, and no other', () => {
    const rows = [...readme.matchAll(/^\| `([A-Z0-9_]+)` +\| (?:`([^`]*)`|–) +\|/gm)].map(
      ([, name, value]) => [name, value === undefined ? undefined : asJson(value)],
    );
    const settings = Object.entries(Settings.shape).map(([name, schema]) => {
      const value = schema.safeParse(undefined);
      return [name, value.data === undefined ? undefined : JSON.stringify(value.data)];
    });
    expect(rows).toEqual(settings);
  });

  describe('quick start', () => {
    let directory: string;
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'pennon-'));
    });
    afterEach(() => rmSync(directory, { recursive: true }));

    it('works as printed: a flag is created, explained and seen to change live', async () => {
      const server = await startProcess({ env: { PENNON_DATA: join(directory, 'pennon-data') } });
      const [, printed = ''] = /## Quick start[\s\S]*?```sh\n([\s\S]*?)```/.exec(readme) ?? [];
      // On a busy machine, what a reader waits a second for takes longer.
      const script = `sleep() { read -r; }\n${printed.replaceAll('http://127.0.0.1:4400', server.url)}`;
      const shell = spawn('bash', ['-e', '-o', 'pipefail', '-c', script], {
        cwd: directory,
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      let output = '';
      shell.stdout.on('data', chunk => (output += String(chunk)));
      shell.stderr.on('data', chunk => (output += String(chunk)));
      const ended = once(shell, 'close');
      for (const event of ['event: set', 'event: change']) {
        await expect.poll(() => output).toContain(event);
        shell.stdin.write('\n');
      }
      await ended;
      expect(output).toContain('"key":"new-checkout"');
      expect(output).toMatch(/"flagKey":"new-checkout","enabled":(true|false),.*"trace":/);
      expect(output).toMatch(/event: set\nid: .*\ndata: \{"formatVersion":1/);
      expect(output).toMatch(/event: change\nid: .*\ndata: .*"enabled":false/);
      await server.stop();
    });
  });
});
