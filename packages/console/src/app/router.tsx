import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';

import type { Api } from '../api/api.ts';
import { sessionOptions } from '../api/session-query.ts';
import { readFlagSearch } from '../flag/flag-search.ts';
import { readSearch } from '../flags/flags-search.ts';
import { SignInPage } from '../session/sign-in-page.tsx';
import { ErrorPage, NotFoundPage, PendingPage } from './pages.tsx';
import { Shell } from './shell.tsx';

/** What the loaders and pages of all routes use. */
export type RouterContext = { readonly api: Api; readonly basePath: string };

const root = createRootRouteWithContext<RouterContext>()({ notFoundComponent: NotFoundPage });

/** Only paths of the console: a link must not lead to another site. */
const isPath = (value: unknown): value is string =>
  typeof value === 'string' && /^\/(?![/\\])/.test(value);

const signIn = createRoute({
  getParentRoute: () => root,
  path: 'sign-in',
  validateSearch: ({ to }: Record<string, unknown>): { readonly to?: string | undefined } => ({
    to: isPath(to) ? to : undefined,
  }),
  component: SignInPage,
});

/** Everything that needs a session is below this route. */
const signedIn = createRoute({
  getParentRoute: () => root,
  id: 'signed-in',
  beforeLoad: async ({ context, location }) => {
    const session = await context.api.queries.ensureQueryData(sessionOptions(context.api));
    if (session === null) throw redirect({ to: '/sign-in', search: { to: location.publicHref } });
    return { session };
  },
  component: Shell,
});

const start = createRoute({
  getParentRoute: () => signedIn,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/flags' });
  },
});

const flags = createRoute({
  getParentRoute: () => signedIn,
  path: 'flags',
  validateSearch: readSearch,
  component: lazyRouteComponent(() => import('../flags/flags-page.tsx'), 'FlagsPage'),
});

const flag = createRoute({
  getParentRoute: () => signedIn,
  path: 'flags/$key',
  validateSearch: readFlagSearch,
  component: lazyRouteComponent(() => import('../flag/flag-page.tsx'), 'FlagPage'),
});

const routeTree = root.addChildren([signIn, signedIn.addChildren([start, flags, flag])]);

/** Returns the search of a URL as plain texts, so that links are short and readable. */
const parseSearch = (search: string): Record<string, string> =>
  Object.fromEntries(new URLSearchParams(search));

const stringifySearch = (search: Readonly<Record<string, unknown>>): string => {
  const values = Object.entries(search).flatMap(([name, value]) =>
    typeof value === 'string' && value !== '' ? [[name, value]] : [],
  );
  const text = new URLSearchParams(values).toString();
  return text === '' ? '' : `?${text}`;
};

export const createConsoleRouter = (context: RouterContext) =>
  createRouter({
    routeTree,
    context,
    basepath: context.basePath,
    parseSearch,
    stringifySearch,
    defaultErrorComponent: ErrorPage,
    defaultPendingComponent: PendingPage,
    defaultNotFoundComponent: NotFoundPage,
  });

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createConsoleRouter>;
  }
}
