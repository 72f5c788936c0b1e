import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { FastifyInstance } from 'fastify';

import { sendShared } from './compression.ts';
import { openApiDocument } from './openapi.ts';

/** Files of the Swagger UI, by name under /docs. */
const FILES = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
} as const;

/** The page loads nothing from other origins. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const page = (basePath: string): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Pennon API</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="${basePath}/docs/swagger-ui.css" />
    <style>
      .note { max-width: 1460px; margin: 0 auto; padding: 0.75rem 1.25rem; font: 0.875rem sans-serif; }
      .swagger-ui .responses-wrapper { overflow-x: auto; }
    </style>
  </head>
  <body>
    <p class="note">
      To try requests, select Authorize and enter an API key. It stays in this browser tab until you close it.
    </p>
    <div id="api"></div>
    <script src="${basePath}/docs/swagger-ui-bundle.js"></script>
    <script src="${basePath}/docs/start.js"></script>
  </body>
</html>
`;

/**
 * Stores the key in the session storage of the tab: it is kept over a reload and removed when the tab is closed.
 * The option `persistAuthorization` would store it in the local storage, without an end.
 */
const startScript = (basePath: string): string => `const STORED = 'pennon-authorized';
const storeKey = () => ({
  statePlugins: {
    auth: {
      wrapActions: {
        persistAuthorizationIfNeeded: (_, system) => () => {
          const authorized = system.authSelectors.authorized();
          sessionStorage.setItem(STORED, JSON.stringify(authorized?.toJS() ?? {}));
        },
      },
    },
  },
});
const ui = SwaggerUIBundle({
  url: '${basePath}/openapi.json',
  dom_id: '#api',
  validatorUrl: null,
  deepLinking: true,
  // With more than about 130 operations at once, the page would stop rendering.
  docExpansion: 'none',
  plugins: [storeKey],
  onComplete: () => {
    const stored = sessionStorage.getItem(STORED);
    if (stored !== null) ui.authActions.restoreAuthorization({ authorized: JSON.parse(stored) });
  },
});
`;

/** Serves the OpenAPI document, and a page to read and try it. */
export const serveDocs = (app: FastifyInstance, basePath: string): void => {
  const config = { access: 'public' } as const;
  const assets = findAssets();
  const document = [Buffer.from(JSON.stringify(openApiDocument(basePath)))];
  const html = [Buffer.from(page(basePath))];
  const script = [Buffer.from(startScript(basePath))];

  app.get('/openapi.json', { config }, async (request, reply) =>
    sendShared(request, reply.type('application/json; charset=utf-8'), document),
  );
  app.get('/docs', { config }, async (request, reply) => {
    reply.type('text/html; charset=utf-8').header('content-security-policy', POLICY);
    return sendShared(request, reply, html);
  });
  app.get('/docs/start.js', { config }, async (request, reply) =>
    sendShared(request, reply.type('text/javascript; charset=utf-8'), script),
  );
  for (const [name, type] of Object.entries(FILES)) {
    let file: readonly Buffer[] | undefined;
    app.get(`/docs/${name}`, { config }, async (request, reply) => {
      file ??= [readFileSync(join(assets, name))];
      reply.type(type).header('cache-control', 'public, max-age=3600');
      return sendShared(request, reply, file);
    });
  }
};

/** Returns the directory of the Swagger UI. The build copies these files beside its code. */
const findAssets = (): string => {
  const built = fileURLToPath(new URL('./swagger-ui', import.meta.url));
  if (existsSync(built)) return built;
  return dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
};
