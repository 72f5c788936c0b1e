import { infiniteQueryOptions, useInfiniteQuery } from '@tanstack/react-query';
import { useRouteContext } from '@tanstack/react-router';

import type { Api } from '../api/api.ts';
import type { AuditAction, AuditEntry } from '../audit/entries.ts';
import { ItemList, ListItem, Loaded, Section } from '../components/section.tsx';
import { t } from '../i18n/i18n.ts';
import { formatTime } from '../i18n/time.ts';
import { shareAt, type Ramp, type RampReason } from './ramps.ts';
import { Reason } from './reason.tsx';

const PAGE_SIZE = 20;

const historyOptions = ({ procedures }: Api, environment: string, ramp: string) =>
  infiniteQueryOptions({
    queryKey: ['audit', 'ramp', environment, ramp] as const,
    queryFn: ({ pageParam }) =>
      procedures.audit.list.query({
        environment,
        ramp,
        limit: PAGE_SIZE,
        cursor: pageParam || undefined,
      }),
    initialPageParam: '',
    getNextPageParam: ({ nextCursor }) => nextCursor,
    retry: false,
  });

type HistoryProps = { readonly environment: string; readonly ramp: Ramp };

/** Who did what to a ramp, newest first, with what the server decided on. */
export const RampHistory = ({ environment, ramp }: HistoryProps) => {
  const { api } = useRouteContext({ from: '/signed-in' });
  const log = useInfiniteQuery(historyOptions(api, environment, ramp.key));
  return (
    <Section title={t('ramps.history')}>
      <Loaded query={log}>
        {({ pages }) => (
          <ItemList items={pages.flatMap(({ items }) => items)} empty={t('audit.none')}>
            {entry => <Entry key={entry.id} entry={entry} />}
          </ItemList>
        )}
      </Loaded>
      {log.hasNextPage && (
        <button
          type="button"
          className="button"
          aria-disabled={log.isFetchingNextPage}
          onClick={() => void log.fetchNextPage()}
        >
          {t('audit.more')}
        </button>
      )}
    </Section>
  );
};

const VERBS = [
  'create',
  'replace',
  'update',
  'delete',
  'copy',
  'start',
  'pause',
  'resume',
  'advance',
  'approve',
  'rollback',
  'complete',
  'warn',
] as const;

/** Returns in words what was done. */
const describeAction = (action: AuditAction): string => {
  const verb = VERBS.find(each => action === `ramp.${each}`);
  return verb === undefined ? action : t(`ramps.did.${verb}`);
};

const Entry = ({
  entry: { action, actor, at, comment, after },
}: {
  readonly entry: AuditEntry;
}) => {
  const ramp = isRamp(after) ? after : undefined;
  const reason = ramp && reasonOf(action, ramp);
  return (
    <ListItem
      title={describeAction(action)}
      about={[
        ramp && describeStep(action, ramp),
        t('audit.by', { name: actor.name, time: formatTime(at) }),
        comment === undefined ? undefined : `“${comment}”`,
      ]}
      below={ramp && reason && <Reason reason={reason} ramp={ramp} />}
    />
  );
};

/** The entries of a ramp have the whole ramp before and after the change. */
const isRamp = (value: unknown): value is Ramp =>
  typeof value === 'object' &&
  value !== null &&
  'steps' in value &&
  Array.isArray(value.steps) &&
  'step' in value &&
  typeof value.step === 'number';

const BEGINS_STEP: ReadonlySet<AuditAction> = new Set([
  'ramp.start',
  'ramp.advance',
  'ramp.resume',
]);

const describeStep = (action: AuditAction, ramp: Ramp): string | undefined =>
  BEGINS_STEP.has(action)
    ? t('ramps.position', {
        step: ramp.step,
        count: ramp.steps.length,
        share: shareAt(ramp, ramp.step),
        variant: ramp.treatment,
      })
    : undefined;

/** Returns what a change was decided on. Requests of a person have no more than a comment. */
const reasonOf = (action: AuditAction, { reason, noted }: Ramp): RampReason | undefined => {
  if (action === 'ramp.warn') return noted?.at(-1);
  const isEnd = action === 'ramp.pause' || action === 'ramp.rollback';
  return isEnd && reason?.code !== 'requested' ? reason : undefined;
};
