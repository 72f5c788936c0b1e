import type { ApiOutputs } from '@pennon/client';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useRouteContext, useSearch } from '@tanstack/react-router';
import { useEffect, useId, useState } from 'react';

import { hasRole } from '../api/sessions.ts';
import { ActionButton, Loaded, Section } from '../components/section.tsx';
import { VirtualList } from '../components/virtual-list.tsx';
import { overviewOptions } from '../flags/follow-overview.ts';
import { shownEnvironment, type Environment } from '../flags/overview.ts';
import { t } from '../i18n/i18n.ts';
import { PromoteDialog, type PromotionRequest } from './promote-dialog.tsx';

const FROM = '/signed-in/compare';

type Compared = ApiOutputs['environments']['compare']['flags'][number];

/** The server promotes at most this many flags, and as many segments, at once. */
const MAX_PROMOTED = 100;

/** What differs between two environments, and can be promoted from one to the other. */
export const ComparePage = () => {
  const { api } = useRouteContext({ from: FROM });
  const search = useSearch({ from: FROM });
  const overview = useQuery(overviewOptions(api));
  useEffect(() => {
    document.title = `${t('compare.title')} · Pennon`;
  }, []);
  return (
    <div className="wide-page">
      <h1>{t('compare.title')}</h1>
      <Loaded query={overview}>
        {({ environments }) => {
          const to = shownEnvironment(environments, search.to);
          const from =
            environments.find(({ key }) => key === search.from && key !== to?.key) ??
            environments.findLast(({ key }) => key !== to?.key);
          if (from === undefined || to === undefined) return <p>{t('compare.needsTwo')}</p>;
          return (
            <>
              <Choices environments={environments} from={from.key} to={to.key} />
              <Comparison key={`${from.key} ${to.key}`} from={from.key} to={to.key} />
            </>
          );
        }}
      </Loaded>
    </div>
  );
};

type PairProps = { readonly from: string; readonly to: string };

const Choices = (props: PairProps & { readonly environments: readonly Environment[] }) => {
  const { environments, from, to } = props;
  const navigate = useNavigate({ from: '/compare' });
  const id = useId();
  const chosen = { from, to };
  return (
    <div className="field-columns pair">
      {(['from', 'to'] as const).map(side => (
        <div key={side} className="field">
          <label htmlFor={`${id}-${side}`}>{t(`compare.side.${side}`)}</label>
          <select
            id={`${id}-${side}`}
            className="input"
            value={chosen[side]}
            onChange={({ target: { value } }) => {
              const other = side === 'from' ? to : from;
              // The other side takes the previous environment if both would be the same.
              const pair = { ...chosen, [side]: value };
              const swapped = side === 'from' ? { from: value, to: from } : { from: to, to: value };
              void navigate({ search: value === other ? swapped : pair });
            }}
          >
            {environments.map(({ key, name }) => (
              <option key={key} value={key}>
                {name ?? key}
              </option>
            ))}
          </select>
        </div>
      ))}
    </div>
  );
};

const Comparison = ({ from, to }: PairProps) => {
  const { api } = useRouteContext({ from: FROM });
  const comparison = useQuery({
    queryKey: ['compare', from, to] as const,
    queryFn: () => api.procedures.environments.compare.query({ from, to }),
  });
  return (
    <Loaded query={comparison}>
      {({ flags, segments }) => (
        <Differences
          from={from}
          to={to}
          flags={flags.filter(({ outcome }) => outcome !== 'same')}
          segments={segments.filter(({ outcome }) => outcome !== 'same')}
        />
      )}
    </Loaded>
  );
};

type DifferencesProps = PairProps & {
  readonly flags: readonly Compared[];
  readonly segments: readonly Compared[];
};

const Differences = ({ from, to, flags, segments }: DifferencesProps) => {
  const { api, session } = useRouteContext({ from: FROM });
  const flagChoice = useChoice(flags);
  const segmentChoice = useChoice(segments);
  // A change of the differences, such as the promotion itself, changes nothing of what is reviewed.
  const [promotion, setPromotion] = useState<PromotionRequest>();
  const [filter, setFilter] = useState('');
  const lists = { from, to, filter };
  return (
    <>
      {flags.length + segments.length > 0 && <FilterField value={filter} onChange={setFilter} />}
      <Section
        title={t('flags.title')}
        hint={t('compare.hint', { from, to })}
        action={
          <ActionButton
            reason={reasonNotTo(flagChoice.chosen, hasRole(session, 'editor', to), to)}
            onClick={() =>
              setPromotion({ from, to, flags: flagChoice.chosen, segments: segmentChoice.chosen })
            }
          >
            {t('compare.promote', { count: flagChoice.chosen.length, to })}
          </ActionButton>
        }
      >
        <ComparedList {...flagChoice} {...lists} documents={flags} kind="flag" />
      </Section>
      <Section title={t('segments.title')} hint={t('compare.segmentsHint')}>
        <ComparedList {...segmentChoice} {...lists} documents={segments} kind="segment" />
      </Section>
      <PromoteDialog
        api={api}
        promotion={promotion}
        onDone={() => {
          setPromotion(undefined);
          flagChoice.clear();
          segmentChoice.clear();
        }}
        onClose={() => setPromotion(undefined)}
      />
    </>
  );
};

type FilterFieldProps = { readonly value: string; readonly onChange: (value: string) => void };

/** Takes the place of the search of the browser, which finds only what is drawn. */
const FilterField = ({ value, onChange }: FilterFieldProps) => {
  const id = useId();
  return (
    <div className="field filter">
      <label htmlFor={id}>{t('compare.filter')}</label>
      <input
        id={id}
        type="search"
        className="input"
        value={value}
        autoComplete="off"
        spellCheck={false}
        aria-describedby={`${id}-hint`}
        onChange={({ target }) => onChange(target.value)}
      />
      <p id={`${id}-hint`} className="hint">
        {t('compare.filterHint')}
      </p>
    </div>
  );
};

/** Returns why the chosen flags cannot be promoted, or undefined if they can. */
const reasonNotTo = (
  chosen: readonly string[],
  mayWrite: boolean,
  environment: string,
): string | undefined => {
  if (!mayWrite) return t('cell.needsEditor', { environment });
  if (chosen.length === 0) return t('compare.chooseFirst');
  return chosen.length > MAX_PROMOTED ? t('bulk.tooMany', { max: MAX_PROMOTED }) : undefined;
};

/** The keys that are chosen, of those that can be promoted. */
const useChoice = (documents: readonly Compared[]) => {
  const [keys, setKeys] = useState<ReadonlySet<string>>(new Set());
  const chosen = documents
    .filter(({ key, outcome }) => keys.has(key) && outcome !== 'onlyTo')
    .map(({ key }) => key);
  const choose = (key: string, isChosen: boolean): void =>
    setKeys(known => new Set(isChosen ? [...known, key] : [...known].filter(each => each !== key)));
  return { chosen, choose, clear: () => setKeys(new Set()) };
};

type ComparedListProps = PairProps & {
  readonly kind: 'flag' | 'segment';
  readonly documents: readonly Compared[];
  readonly filter: string;
  readonly chosen: readonly string[];
  readonly choose: (key: string, isChosen: boolean) => void;
};

const ComparedList = (props: ComparedListProps) => {
  const { kind, documents, filter, chosen, choose, from, to } = props;
  if (documents.length === 0) return <p className="hint">{t('compare.same')}</p>;
  const shown = documents.filter(matcherOf(filter));
  return (
    <>
      <p className="hint" role="status">
        {shown.length === 0
          ? t('compare.noMatch')
          : t('compare.count', { shown: shown.length, count: documents.length })}
      </p>
      {shown.length > 0 && (
        <VirtualList items={shown} keyOf={({ key }) => key}>
          {({ key, outcome, fields }) => (
            <>
              <input
                type="checkbox"
                aria-label={t('compare.choose', { key })}
                checked={chosen.includes(key)}
                disabled={outcome === 'onlyTo'}
                onChange={({ target }) => choose(key, target.checked)}
              />
              <div className="item-about">
                <strong>
                  <Link
                    to={kind === 'flag' ? '/flags/$key' : '/segments/$key'}
                    params={{ key }}
                    search={{ env: outcome === 'onlyTo' ? to : from }}
                    className="flag-key"
                  >
                    <bdi>{key}</bdi>
                  </Link>
                </strong>
                <span className="hint">
                  {outcome === 'differs'
                    ? t('compare.differs', { fields: fields.join(', ') })
                    : t('compare.onlyIn', { environment: outcome === 'onlyTo' ? to : from })}
                </span>
              </div>
            </>
          )}
        </VirtualList>
      )}
    </>
  );
};

/** Returns whether the key and the fields of a document have all words of a filter. */
const matcherOf = (filter: string) => {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return ({ key, fields }: Compared): boolean => {
    const text = [key, ...fields].join(' ').toLowerCase();
    return words.every(word => text.includes(word));
  };
};
