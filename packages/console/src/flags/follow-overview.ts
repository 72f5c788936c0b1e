import { queryOptions } from '@tanstack/react-query';

import type { Api, Health } from '../api/api.ts';
import { inOrder, withRows, type Overview } from './overview.ts';

export const overviewOptions = ({ procedures }: Api) =>
  queryOptions({
    queryKey: ['flags', 'overview'] as const,
    queryFn: async (): Promise<Overview> => inOrder(await procedures.flags.overview.query({})),
    // Comparing thousands of rows takes long, and the subscription replaces only those that have changed.
    structuralSharing: false,
    // The subscription keeps it current.
    staleTime: Number.POSITIVE_INFINITY,
  });

/** What pages show beside the overview, by the first part of its key. */
const OTHERS: ReadonlySet<unknown> = new Set([
  'audit',
  'compare',
  'contexts',
  'environments',
  'experiments',
  'ramps',
  'segments',
]);

/** Editors replace their document themselves, so that no edit is lost. */
const isEdited = (part: unknown): boolean => part === 'get';

/** The stream has an event for each change of an environment, also if no flag is part of it. */
const refreshOthers = ({ queries }: Api): void =>
  void queries.invalidateQueries({
    predicate: ({ queryKey: [first, second] }) => OTHERS.has(first) && !isEdited(second),
  });

/** A server that hangs keeps its connections, and no stream notices that at once. */
const PROBE_MS = 5_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;

type Listeners = {
  readonly onLive: (isLive: boolean) => void;
  readonly onHealth: (health: Health) => void;
};

/** Keeps the overview in the cache current. Returns a function that ends this. */
export const followOverview = (api: Api, { onLive, onHealth }: Listeners): (() => void) => {
  const options = overviewOptions(api);
  let hasEnded = false;
  let isCurrent = false;
  let failures = 0;
  let stop = (): void => {};

  const setLive = (isLive: boolean): void => {
    isCurrent = isLive;
    onLive(isLive);
  };
  const follow = (overview: Overview): void => {
    if (hasEnded) return;
    const subscription = api.procedures.flags.watchOverview.subscribe(
      { lastEventId: overview.etag },
      {
        onStarted: () => {
          failures = 0;
          setLive(true);
        },
        onConnectionStateChange: ({ state }) => setLive(state === 'pending'),
        onData: ({ data }) => {
          if (data.event === 'reload') return restart();
          refreshOthers(api);
          api.queries.setQueryData(
            options.queryKey,
            known => known && { ...withRows(known, data.flags), etag: data.etag },
          );
        },
        onComplete: () => retry(),
        onError: () => retry(),
      },
    );
    stop = () => subscription.unsubscribe();
  };
  const restart = (): void => {
    stop();
    refreshOthers(api);
    api.queries.fetchQuery({ ...options, staleTime: 0, retry: false }).then(follow, retry);
  };
  const retry = (): void => {
    stop();
    if (hasEnded) return;
    setLive(false);
    const timer = setTimeout(restart, Math.min(FIRST_DELAY_MS * 2 ** failures, LONGEST_DELAY_MS));
    failures += 1;
    stop = () => clearTimeout(timer);
  };

  const probe = async (): Promise<void> => {
    const health = await api.readHealth();
    if (hasEnded) return;
    onHealth(health);
    if (health === 'away' && isCurrent) retry();
  };
  const probeNow = (): void => void probe();

  const probes = setInterval(probeNow, PROBE_MS);
  window.addEventListener('offline', probeNow);
  api.queries.ensureQueryData(options).then(follow, retry);
  return () => {
    hasEnded = true;
    clearInterval(probes);
    window.removeEventListener('offline', probeNow);
    stop();
  };
};
