import { CSPProvider } from '@base-ui/react/csp-provider';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { createApi } from './api/api.ts';
import { applyPreferences, readPreferences } from './app/preferences.ts';
import { createConsoleRouter } from './app/router.tsx';
import { loadLanguage } from './i18n/i18n.ts';

const basePath = (): string =>
  document.querySelector<HTMLMetaElement>('meta[name="pennon-base-path"]')?.content ?? '/';

const start = async (): Promise<void> => {
  const root = document.querySelector('#root');
  if (root === null) throw new Error('the page has no element "root"');
  const preferences = readPreferences(localStorage);
  applyPreferences(preferences, document.documentElement);
  await loadLanguage(preferences.language);
  const api = createApi(basePath());
  const router = createConsoleRouter({ api, basePath: basePath() });
  createRoot(root).render(
    <StrictMode>
      <CSPProvider disableStyleElements>
        <QueryClientProvider client={api.queries}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </CSPProvider>
    </StrictMode>,
  );
};

await start();
