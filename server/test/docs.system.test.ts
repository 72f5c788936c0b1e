import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Block, Element } from './support/markdown.ts';
import { elementsOf } from './support/markdown.ts';
import type { ServerProcess } from './support/process.ts';
import { startProcess } from './support/process.ts';

const DOCS = new URL('../../docs/', import.meta.url).pathname;
const CLI = new URL('../src/cli.ts', import.meta.url).pathname;

/**
 * The pages with examples that run against a server, each against a new one. A shell block with the label
 * `manual` does not run, because it starts a server itself.
 */
const pages = globSync('*.md', { cwd: DOCS })
  .map(name => ({
    name: basename(name),
    elements: elementsOf(readFileSync(join(DOCS, name), 'utf8')),
  }))
  .filter(({ elements }) => elements.some(isExample));

function isExample(element: Element): boolean {
  if (element.kind === 'row') return false;
  return isScript(element) || ['flag', 'segment'].includes(element.label);
}

function isScript({ language, label }: Block): boolean {
  return language === 'sh' && label !== 'manual';
}

describe.each(pages)('docs/$name', ({ elements }) => {
  let directory: string;
  let server: ServerProcess;
  let adminKey: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'pennon-docs-'));
    server = await startProcess({ env: { PENNON_DATA: join(directory, 'pennon-data') } });
    adminKey = readFileSync(join(directory, 'pennon-data', 'admin-key'), 'utf8').trim();
    const command = join(directory, 'pennon');
    writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`);
    chmodSync(command, 0o755);
  });
  afterAll(async () => {
    await server.stop();
    rmSync(directory, { recursive: true });
  });

  /** The variables of the quick start. The ports of the examples are replaced by the server's. */
  const environment = () => ({
    PATH: `${directory}:${process.env['PATH']}`,
    PENNON: `${server.url}/api/v1`,
    KEY: `Authorization: Bearer ${adminKey}`,
    PENNON_ADMIN_KEY: adminKey,
    JSON: 'content-type: application/json',
  });

  const post = async (path: string, body: string): Promise<unknown> => {
    const response = await fetch(`${server.url}/api/v1/${path}?environment=development`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body,
    });
    const result = await response.json();
    expect(response.ok, JSON.stringify(result)).toBe(true);
    return result;
  };

  const runShell = async (script: string): Promise<string> => {
    const here = script.replaceAll(/http:\/\/127\.0\.0\.1:440[01]/g, server.url);
    const shell = spawn('bash', ['-e', '-o', 'pipefail', '-c', here], {
      cwd: directory,
      env: environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const chunks: Buffer[] = [];
    shell.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const [code] = await once(shell, 'close');
    expect(code).toBe(0);
    return Buffer.concat(chunks).toString();
  };

  it('works as printed', async () => {
    let output = '';
    let flagKey: string | undefined;
    for (const [index, element] of elements.entries()) {
      if (element.kind === 'row') {
        if (flagKey === undefined) continue;
        const [context = '', variant] = element.cells;
        const body = JSON.stringify({ flagKey, context: JSON.parse(context) });
        expect(await post('evaluate', body), `line ${element.line}`).toMatchObject({ variant });
        continue;
      }
      const { label, text, line } = element;
      flagKey = undefined;
      if (isScript(element)) {
        output = await runShell(text);
        const results = jsonObjectsIn(output);
        // The response to the last command may be an error, if the page shows it.
        const unseen = hasResult(elements[index + 1]) ? results.slice(0, -1) : results;
        for (const result of unseen) expect(result, `line ${line}`).not.toHaveProperty('error');
      } else if (label === 'result')
        expect(jsonObjectsIn(output).at(-1), `line ${line}`).toMatchObject(JSON.parse(text));
      else if (label === 'segment') await post('segments', text);
      else if (label === 'flag') {
        await post('flags', text);
        flagKey = JSON.parse(text).key;
      }
    }
  });
});

const hasResult = (next: Element | undefined): boolean =>
  next?.kind === 'block' && next.label === 'result';

/** The JSON objects of an output, which are not separated. All other text is ignored. */
const jsonObjectsIn = (output: string): unknown[] => {
  const objects: unknown[] = [];
  let start = output.indexOf('{');
  while (start !== -1) {
    const end = objectEnd(output, start);
    objects.push(JSON.parse(output.slice(start, end)));
    start = output.indexOf('{', end);
  }
  return objects;
};

/** The end of the shortest text from `start` that is a JSON object. */
const objectEnd = (output: string, start: number): number => {
  for (let end = output.indexOf('}', start); end !== -1; end = output.indexOf('}', end + 1)) {
    try {
      JSON.parse(output.slice(start, end + 1));
      return end + 1;
    } catch {
      // The object has not ended yet.
    }
  }
  throw new Error(`no JSON object at ${start} of ${output}`);
};
