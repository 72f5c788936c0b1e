import type { ApiOutputs } from '@pennon/client';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useId, useRef, useState } from 'react';

import type { Api } from '../api/api.ts';
import { describeError } from '../app/pages.tsx';
import { formatTime, t, type MessageId } from '../i18n/i18n.ts';
import { FIELDS } from './changes.ts';
import type { FlagResponse } from './document.ts';
import { versionsOptions } from './flag-query.ts';
import { RevertDialog } from './revert-dialog.tsx';
import { VersionChanges } from './version-changes.tsx';

type HistoryTabProps = {
  readonly api: Api;
  readonly environment: string;
  readonly flag: string;
  /** The flag as the server has it. Undefined if it was deleted. */
  readonly live: FlagResponse | undefined;
  readonly mayWrite: boolean;
};

type Version = ApiOutputs['flags']['listVersions']['items'][number];

/** Two versions to compare. */
type Pair = { readonly from: number; readonly to: number };

/** Who changed the flag, when, why and how; and brings back what it was. */
export const HistoryTab = (props: HistoryTabProps) => {
  const { api, environment, flag, live, mayWrite } = props;
  const { data, error, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(
    versionsOptions(api, { environment, key: flag, version: live?.version ?? 0 }),
  );
  const [chosen, setChosen] = useState<Pair>();
  const [reverted, setReverted] = useState<number>();
  const heading = useRef<HTMLHeadingElement>(null);
  const versions = data?.pages.flatMap(({ items }) => items) ?? [];
  const numbers = versions.map(({ version }) => version);
  const pair = chosen ?? lastChange(numbers);
  const show = (next: Pair): void => {
    setChosen(next);
    heading.current?.focus();
  };
  return (
    <section className="tab-body history">
      <h2 className="sr-only">{t('flag.tab.history')}</h2>
      {error !== null && (
        <p className="error" role="alert">
          {describeError(error)}
        </p>
      )}
      {pair && (
        <section className="comparison" aria-label={t('history.compare')}>
          <h3 ref={heading} tabIndex={-1}>
            {t('history.compare')}
          </h3>
          <PairForm pair={pair} numbers={numbers} onChange={setChosen} />
          <VersionChanges api={api} environment={environment} flag={flag} {...pair} />
        </section>
      )}
      <ol className="versions" aria-label={t('history.versions')}>
        {versions.map(version => (
          <VersionItem
            key={version.version}
            version={version}
            isCurrent={version.version === live?.version}
            onShow={version.version > 1 ? show : undefined}
            onRevert={mayWrite ? setReverted : undefined}
          />
        ))}
      </ol>
      {hasNextPage && (
        <button
          type="button"
          className="button"
          aria-disabled={isFetchingNextPage}
          onClick={() => void fetchNextPage()}
        >
          {t('history.more')}
        </button>
      )}
      <RevertDialog
        api={api}
        environment={environment}
        flag={flag}
        live={live}
        version={reverted}
        onClose={() => setReverted(undefined)}
      />
    </section>
  );
};

/** Returns the newest version and the one before, unless there is only one. */
const lastChange = ([to, from]: readonly number[]): Pair | undefined =>
  to === undefined || from === undefined ? undefined : { from, to };

type PairFormProps = {
  readonly pair: Pair;
  readonly numbers: readonly number[];
  readonly onChange: (pair: Pair) => void;
};

const PairForm = ({ pair, numbers, onChange }: PairFormProps) => {
  const id = useId();
  return (
    <div className="version-pair">
      {(['from', 'to'] as const).map(side => (
        <div key={side}>
          <label htmlFor={`${id}-${side}`}>{t(`history.${side}`)}</label>
          <select
            id={`${id}-${side}`}
            className="input"
            value={pair[side]}
            onChange={({ target }) => onChange({ ...pair, [side]: Number(target.value) })}
          >
            {(numbers.includes(pair[side]) ? numbers : [...numbers, pair[side]]).map(number => (
              <option key={number} value={number}>
                {t('history.version', { version: number })}
              </option>
            ))}
          </select>
        </div>
      ))}
    </div>
  );
};

type VersionItemProps = {
  readonly version: Version;
  readonly isCurrent: boolean;
  /** Undefined for the first version, which has none before it. */
  readonly onShow: ((pair: Pair) => void) | undefined;
  readonly onRevert: ((version: number) => void) | undefined;
};

const VersionItem = ({ version: item, isCurrent, onShow, onRevert }: VersionItemProps) => {
  const { version, at, actor, comment } = item;
  return (
    <li className="version">
      <p>
        <strong>{t('history.version', { version })}</strong>{' '}
        {isCurrent && <span className="hint">{t('history.current')}</span>}
      </p>
      <p>{describeAction(item)}</p>
      {comment !== undefined && (
        <p className="version-comment">
          <bdi>{comment}</bdi>
        </p>
      )}
      <p className="hint">
        <bdi>{describeActor(actor)}</bdi> · <time dateTime={at}>{formatTime(at)}</time>
      </p>
      <div className="version-actions">
        {onShow && (
          <button
            type="button"
            className="button small"
            aria-label={t('history.showOf', { version })}
            onClick={() => onShow({ from: version - 1, to: version })}
          >
            {t('history.show')}
          </button>
        )}
        {onRevert && !isCurrent && (
          <button
            type="button"
            className="button small"
            aria-label={t('history.revertTo', { version })}
            onClick={() => onRevert(version)}
          >
            {t('history.revert')}
          </button>
        )}
      </div>
    </li>
  );
};

const describeActor = ({ name, onBehalfOf }: Version['actor']): string =>
  onBehalfOf === undefined ? name : t('history.onBehalfOf', { name, person: onBehalfOf });

const ACTIONS: Readonly<Record<string, MessageId>> = {
  'flag.create': 'history.action.create',
  'flag.copy': 'history.action.copy',
  'flag.revert': 'history.action.revert',
  'environment.import': 'history.action.import',
};

/** Returns what was done, and which fields have changed. */
const describeAction = ({ action, changed, version }: Version): string => {
  const words = t(ACTIONS[action] ?? 'history.action.change');
  // The first version has all fields.
  return version === 1 || changed.length === 0
    ? words
    : `${words}: ${changed.map(describeField).join(', ')}`;
};

const describeField = (name: string): string => {
  const field = FIELDS.find(each => each === name);
  return field === undefined ? name : t(`field.${field}`);
};
