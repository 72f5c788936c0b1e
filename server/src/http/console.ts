import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { chooseFrom } from '../compression.ts';
import type { ConsoleAsset, ConsoleFiles, ConsoleState } from '../console/files.ts';
import { PennonError } from '../errors.ts';
import { OUTSIDE } from './base-path.ts';

/** What the server serves as the console. Undefined without a console. */
export type ConsoleSource = (() => ConsoleState) | undefined;

/** Nothing is loaded from other origins, and no script turns text into markup. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** For assets too: a browser can open them as pages. */
const PROTECTION = {
  'content-security-policy': POLICY,
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
};

const PAGE_HEADERS = {
  ...PROTECTION,
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
};

const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/** Their names change with their content. */
const IMMUTABLE = 'public, max-age=31536000, immutable';

/** Paths that belong to programs. They have no pages of the console below them. */
const NOT_PAGES =
  /^\/(?:api|trpc|auth|docs|mcp|ofrep|assets|metrics|healthz|readyz|openapi\.json)(?:[/?]|$)/;

/** Sends the console for each path of a page, which only its script can resolve. Must be added before the hooks for unknown paths. */
export const addConsolePages = (
  app: FastifyInstance,
  basePath: string,
  source: ConsoleSource,
): void => {
  if (source === undefined) return;
  const send = createSendPage(basePath, source);
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404 && isPage(request)) return send(reply);
  });
};

const isPage = ({ method, url, headers }: FastifyRequest): boolean =>
  (method === 'GET' || method === 'HEAD') &&
  headers.accept?.includes('text/html') === true &&
  url !== OUTSIDE &&
  !NOT_PAGES.test(url);

/** Serves the start page of the console, and its assets. */
export const serveConsole = (
  app: FastifyInstance,
  basePath: string,
  source: ConsoleSource,
): void => {
  if (source === undefined) return;
  const config = { access: 'public', compresses: true } as const;
  const send = createSendPage(basePath, source);
  app.get('/', { config }, async (_, reply) => send(reply));
  app.get<{ Params: { name: string } }>('/assets/:name', { config }, async (request, reply) => {
    const { name } = request.params;
    reply.headers(PROTECTION);
    const state = source();
    const asset = typeof state === 'string' ? undefined : state.assets.get(name);
    if (asset === undefined)
      throw new PennonError('NOT_FOUND', 'the console does not have this file: reload the page');
    return sendAsset(request, reply, name, asset);
  });
};

const sendAsset = (
  { headers }: FastifyRequest,
  reply: FastifyReply,
  name: string,
  asset: ConsoleAsset,
): FastifyReply => {
  const extension = name.slice(name.lastIndexOf('.') + 1);
  reply.headers({
    'content-type': TYPES[extension] ?? 'application/octet-stream',
    'cache-control': IMMUTABLE,
    vary: 'accept-encoding',
  });
  const coding = chooseFrom(headers['accept-encoding'], ['br', 'gzip']);
  const compressed = coding === undefined ? undefined : asset[coding];
  if (compressed !== undefined) reply.header('content-encoding', coding);
  return reply.send(compressed ?? asset.bytes);
};

/** Returns a function that sends the page. Its addresses are relative, and become those below the base path. */
const createSendPage = (basePath: string, source: () => ConsoleState) => {
  let sent: { readonly files: ConsoleFiles; readonly text: string } | undefined;
  return (reply: FastifyReply): FastifyReply => {
    const state = source();
    reply.headers(PAGE_HEADERS);
    if (typeof state === 'string') return sendNotice(reply, state);
    if (sent?.files !== state)
      sent = { files: state, text: state.page.replaceAll('"./', `"${basePath}/`) };
    return reply.send(sent.text);
  };
};

const NOTICES = {
  building: 'The console is being built. This page reloads by itself. The API is available.',
  failed: 'The console could not be built: see the log of the server. The API is available.',
} as const;

const sendNotice = (reply: FastifyReply, notice: keyof typeof NOTICES): FastifyReply => {
  if (notice === 'building') reply.headers({ refresh: '1', 'retry-after': '1' });
  return reply.code(503).send(`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>Pennon</title>
    <link rel="icon" href="data:," />
  </head>
  <body><p>${NOTICES[notice]}</p></body>
</html>
`);
};
