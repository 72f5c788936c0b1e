import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';

import type { Api } from '../api/api.ts';
import { sessionOptions } from '../api/session-query.ts';
import { readAuditSearch } from '../audit/audit-search.ts';
import { readExperimentsSearch } from '../experiments/experiments-search.ts';
import { readFlagSearch } from '../flag/flag-search.ts';
import { readSearch } from '../flags/flags-search.ts';
import { readCompareSearch } from '../promotion/compare-search.ts';
import { readSegmentSearch } from '../segments/segment-search.ts';
import { SignInPage } from '../session/sign-in-page.tsx';
import { readTrySearch } from '../try/try-search.ts';
import { ErrorPage, NotFoundPage, PendingPage, UnknownPage } from './pages.tsx';
import { Shell } from './shell.tsx';

/** What the loaders and pages of all routes use. */
export type RouterContext = { readonly api: Api; readonly basePath: string };

const root = createRootRouteWithContext<RouterContext>()({ notFoundComponent: NotFoundPage });

/** Only paths of the console: a link must not lead to another site. */
const isPath = (value: unknown): value is string =>
  typeof value === 'string' && /^\/(?![/\\])/.test(value);

/** Why the provider could not sign a person in, as the server reports it. */
const PROBLEMS = ['disabled', 'emailTaken', 'expired', 'failed', 'noRole', 'refused'] as const;

type SignInSearch = {
  readonly to?: string | undefined;
  readonly problem?: (typeof PROBLEMS)[number] | undefined;
};

const signIn = createRoute({
  getParentRoute: () => root,
  path: 'sign-in',
  validateSearch: ({ to, problem }: Record<string, unknown>): SignInSearch => ({
    to: isPath(to) ? to : undefined,
    problem: PROBLEMS.find(each => each === problem),
  }),
  component: SignInPage,
});

/**
 * Returns a page whose code is loaded when it is first opened. If a file of it does not exist, the router loads the
 * whole page again, which removes it while the browser is offline.
 */
const lazyPage: typeof lazyRouteComponent = (load, name) =>
  lazyRouteComponent(
    () =>
      load().catch((error: unknown) => {
        throw navigator.onLine ? error : new Error('the browser is offline');
      }),
    name,
  );

const join = createRoute({
  getParentRoute: () => root,
  path: 'join',
  component: lazyPage(() => import('../session/join-page.tsx'), 'JoinPage'),
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
  component: lazyPage(() => import('../flags/flags-page.tsx'), 'FlagsPage'),
});

const flag = createRoute({
  getParentRoute: () => signedIn,
  path: 'flags/$key',
  validateSearch: readFlagSearch,
  component: lazyPage(() => import('../flag/flag-page.tsx'), 'FlagPage'),
});

const segments = createRoute({
  getParentRoute: () => signedIn,
  path: 'segments',
  validateSearch: readSegmentSearch,
  component: lazyPage(() => import('../segments/segments-page.tsx'), 'SegmentsPage'),
});

const segment = createRoute({
  getParentRoute: () => signedIn,
  path: 'segments/$key',
  validateSearch: readSegmentSearch,
  component: lazyPage(() => import('../segments/segment-page.tsx'), 'SegmentPage'),
});

const experiments = createRoute({
  getParentRoute: () => signedIn,
  path: 'experiments',
  validateSearch: readExperimentsSearch,
  component: lazyPage(() => import('../experiments/experiments-page.tsx'), 'ExperimentsPage'),
});

const metrics = createRoute({
  getParentRoute: () => signedIn,
  path: 'experiments/metrics',
  validateSearch: readExperimentsSearch,
  component: lazyPage(() => import('../experiments/metrics-page.tsx'), 'MetricsPage'),
});

const ramps = createRoute({
  getParentRoute: () => signedIn,
  path: 'experiments/ramps',
  validateSearch: readExperimentsSearch,
  component: lazyPage(() => import('../ramps/ramps-page.tsx'), 'RampsPage'),
});

const ramp = createRoute({
  getParentRoute: () => signedIn,
  path: 'experiments/ramps/$key',
  validateSearch: readExperimentsSearch,
  component: lazyPage(() => import('../ramps/ramp-page.tsx'), 'RampPage'),
});

/** A key may be any word, so the lists cannot have addresses at the same level, such as that of ramps. */
const experiment = createRoute({
  getParentRoute: () => signedIn,
  path: 'experiments/key/$key',
  validateSearch: readExperimentsSearch,
  component: lazyPage(() => import('../experiments/experiment-page.tsx'), 'ExperimentPage'),
});

/** The address of an experiment in earlier versions. */
const earlierExperiment = createRoute({
  getParentRoute: () => signedIn,
  path: 'experiments/$key',
  validateSearch: readExperimentsSearch,
  beforeLoad: ({ params, search }) => {
    throw redirect({ to: '/experiments/key/$key', params, search, replace: true });
  },
});

const compare = createRoute({
  getParentRoute: () => signedIn,
  path: 'compare',
  validateSearch: readCompareSearch,
  component: lazyPage(() => import('../promotion/compare-page.tsx'), 'ComparePage'),
});

const tryAll = createRoute({
  getParentRoute: () => signedIn,
  path: 'try',
  validateSearch: readTrySearch,
  component: lazyPage(() => import('../try/try-page.tsx'), 'TryPage'),
});

const audit = createRoute({
  getParentRoute: () => signedIn,
  path: 'audit',
  validateSearch: readAuditSearch,
  component: lazyPage(() => import('../audit/audit-page.tsx'), 'AuditPage'),
});

const settings = createRoute({
  getParentRoute: () => signedIn,
  path: 'settings',
  component: lazyPage(() => import('../settings/settings-page.tsx'), 'SettingsPage'),
});

const settingsStart = createRoute({
  getParentRoute: () => settings,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/settings/environments' });
  },
});

const environments = createRoute({
  getParentRoute: () => settings,
  path: 'environments',
  component: lazyPage(() => import('../settings/environments-page.tsx'), 'EnvironmentsPage'),
});

const keys = createRoute({
  getParentRoute: () => settings,
  path: 'keys',
  component: lazyPage(() => import('../settings/keys-page.tsx'), 'KeysPage'),
});

const people = createRoute({
  getParentRoute: () => settings,
  path: 'people',
  component: lazyPage(() => import('../settings/people-page.tsx'), 'PeoplePage'),
});

const groups = createRoute({
  getParentRoute: () => settings,
  path: 'groups',
  component: lazyPage(() => import('../settings/groups-page.tsx'), 'GroupsPage'),
});

const invitations = createRoute({
  getParentRoute: () => settings,
  path: 'invitations',
  component: lazyPage(() => import('../settings/invitations-page.tsx'), 'InvitationsPage'),
});

const servers = createRoute({
  getParentRoute: () => settings,
  path: 'servers',
  component: lazyPage(() => import('../settings/servers-page.tsx'), 'ServersPage'),
});

const account = createRoute({
  getParentRoute: () => settings,
  path: 'account',
  component: lazyPage(() => import('../settings/account-page.tsx'), 'AccountPage'),
});

const unknown = createRoute({
  getParentRoute: () => signedIn,
  path: '$',
  component: UnknownPage,
});

const routeTree = root.addChildren([
  signIn,
  join,
  signedIn.addChildren([
    start,
    flags,
    flag,
    segments,
    segment,
    experiments,
    metrics,
    ramps,
    ramp,
    experiment,
    earlierExperiment,
    compare,
    tryAll,
    audit,
    settings.addChildren([
      settingsStart,
      environments,
      keys,
      people,
      groups,
      invitations,
      servers,
      account,
    ]),
    unknown,
  ]),
]);

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
