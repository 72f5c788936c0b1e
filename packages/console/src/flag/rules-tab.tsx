import { useQuery } from '@tanstack/react-query';
import { useEffect, useId, useMemo, useRef, useState } from 'react';

import type { Api } from '../api/api.ts';
import { t } from '../i18n/i18n.ts';
import { flagRampsOptions, isAtWork } from '../ramps/ramps.ts';
import { rampOfRule, RuleRamp } from '../ramps/rule-ramp.tsx';
import type { Sources } from './condition-form.tsx';
import {
  hasNoEffect,
  newId,
  variantsOf,
  type Condition,
  type FlagDocument,
  type Rule,
} from './document.ts';
import { Findings } from './findings.tsx';
import { ReleaseDialog, type Release } from './release.tsx';
import { flagOptions, segmentsOptions } from './flag-query.ts';
import { RuleCard, toggleId, type RuleAction } from './rule-card.tsx';
import { contextsOptions, findingsAt, type Check, type Finding } from './use-check.ts';

/** What all tabs of a flag show and change. */
export type TabProps = {
  readonly api: Api;
  readonly environment: string;
  readonly document: FlagDocument;
  readonly check: Check;
  readonly mayWrite: boolean;
  readonly onEdit: (change: Partial<FlagDocument>) => void;
};

type RulesTabProps = TabProps & {
  /** The keys of all flags of the environment. */
  readonly flags: readonly string[];
};

/** The rules of a flag, of which the first that applies decides. */
export const RulesTab = ({ flags, ...props }: RulesTabProps) => {
  const { document, check, mayWrite, onEdit } = props;
  const { rules } = document;
  const list = useId();
  const attributes = useAttributes(props);
  const sources = useSources(props, flags, list);
  const { live, ramps } = useReleases(props);
  const [release, setRelease] = useState<Release>();
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const { focusLater, announcement, announce } = useMovedFocus(rules);
  const setRules = (next: readonly Rule[]): void => onEdit({ rules: next });
  const open = (id: string): void => setOpened(known => new Set([...known, id]));

  const act = (action: RuleAction, index: number): void => {
    if (action === 'release') {
      setRelease({ rule: rules[index]?.id });
      return;
    }
    const { rules: next, focus } = applyAction(rules, index, action);
    setRules(next);
    const position = next.findIndex(({ id }) => id === focus) + 1;
    if (focus !== undefined) focusLater(focus);
    announce(t('rule.moved', { position, count: next.length }));
  };
  const add = (): void => {
    const variant = Object.keys(document.variants).find(name => name !== document.defaultVariant);
    const rule = { id: newId(), conditions: [], variant: variant ?? document.defaultVariant };
    setRules([...rules, rule]);
    open(rule.id);
    focusLater(rule.id);
  };
  return (
    <section className="tab-body">
      <h2 className="sr-only">{t('flag.tab.rules')}</h2>
      <datalist id={list}>
        {attributes.map(attribute => (
          <option key={attribute}>{attribute}</option>
        ))}
      </datalist>
      <Findings
        problems={check.problems.filter(
          ({ path }) => !/^rules\.\d/.test(path) && !(path === 'rules' && hasNoEffect(document)),
        )}
        warnings={check.warnings.filter(({ path }) => !/^rules\.\d/.test(path))}
      />
      {rules.length === 0 && <p className="hint">{t('rule.none')}</p>}
      <ol className="rules">
        {rules.map((rule, index) => {
          const ramp = rampOfRule(ramps, rule.id);
          const isDriven = ramp !== undefined && isAtWork(ramp);
          const isReleasable = ramp === undefined && live.has(rule.id);
          return (
            <RuleCard
              key={rule.id}
              rule={rule}
              index={index}
              ramp={ramp}
              variants={Object.keys(document.variants)}
              sources={sources}
              isOpen={opened.has(rule.id)}
              mayWrite={mayWrite && !isDriven}
              problems={findingsAt(check.problems, `rules.${index}`)}
              warnings={[
                ...noEffectOf(rule, document),
                ...findingsAt(check.warnings, `rules.${index}`),
              ]}
              actions={actionsAt(index, rules, isReleasable)}
              onToggle={() =>
                opened.has(rule.id)
                  ? setOpened(new Set([...opened].filter(id => id !== rule.id)))
                  : open(rule.id)
              }
              onChange={changed => setRules(rules.with(index, changed))}
              onAction={action => act(action, index)}
            />
          );
        })}
      </ol>
      <p className="sr-only" role="status">
        {announcement}
      </p>
      {mayWrite && (
        <div className="item-actions">
          <button type="button" className="button" onClick={add}>
            {t('rule.add')}
          </button>
          <button type="button" className="button" onClick={() => setRelease({ rule: undefined })}>
            {t('ramps.release')}
          </button>
        </div>
      )}
      {ramps
        .filter(ramp => ramp.state === 'draft' && rules.every(({ id }) => id !== ramp.rule))
        .map(ramp => (
          <RuleRamp key={ramp.key} environment={props.environment} ramp={ramp} />
        ))}
      <ReleaseDialog
        environment={props.environment}
        flag={document.key}
        release={release}
        onClose={() => setRelease(undefined)}
      />
      <DefaultVariant document={document} mayWrite={mayWrite} onEdit={onEdit} />
    </section>
  );
};

type EditProps = Pick<TabProps, 'document' | 'mayWrite' | 'onEdit'>;

/** Returns what explains at a rule that it would be refused. */
const noEffectOf = (rule: Rule, document: FlagDocument): readonly Finding[] =>
  hasNoEffect(document) && variantsOf(rule).length > 0
    ? [{ path: '', message: t('rule.noEffectHere', { variant: document.defaultVariant }) }]
    : [];

/** Explains why rules would be refused that serve what everyone gets without them, and how to mend it. */
const NoEffect = ({ document, mayWrite, onEdit }: EditProps) => {
  if (!hasNoEffect(document)) return null;
  const { variants, defaultVariant } = document;
  const other = Object.keys(variants).find(name => name !== defaultVariant);
  return (
    <div className="notice" role="alert">
      <p>{t('rule.noEffect', { variant: defaultVariant })}</p>
      {mayWrite && other !== undefined && (
        <button type="button" className="button" onClick={() => onEdit({ defaultVariant: other })}>
          {t('rule.noEffectRemedy', { variant: other })}
        </button>
      )}
    </div>
  );
};

/** The variant for all contexts to which no rule applies. */
export const DefaultVariant = ({ document, mayWrite, onEdit }: EditProps) => {
  const id = useId();
  const { variants, defaultVariant } = document;
  return (
    <div className="default-variant">
      <label htmlFor={id}>{t('rule.otherwise')}</label>
      <select
        id={id}
        className="input"
        disabled={!mayWrite}
        value={defaultVariant === null ? '' : `=${defaultVariant}`}
        onChange={({ target }) =>
          onEdit({ defaultVariant: target.value === '' ? null : target.value.slice(1) })
        }
      >
        {Object.keys(variants).map(name => (
          <option key={name} value={`=${name}`}>
            {name}
          </option>
        ))}
        <option value="">{t('rule.codeDefault')}</option>
      </select>
      <NoEffect document={document} mayWrite={mayWrite} onEdit={onEdit} />
    </div>
  );
};

const actionsAt = (
  index: number,
  rules: readonly Rule[],
  isReleasable: boolean,
): readonly RuleAction[] => [
  ...(index > 0 ? (['up'] as const) : []),
  ...(index < rules.length - 1 ? (['down'] as const) : []),
  ...(index > 1 ? (['top'] as const) : []),
  'duplicate',
  ...(isReleasable ? (['release'] as const) : []),
  ...(rules[index]?.percentage === 0 ? [] : (['pause'] as const)),
  'delete',
];

type Applied = {
  readonly rules: readonly Rule[];
  /** The rule that the action was about, or the one in its place. */
  readonly focus: string | undefined;
};

const applyAction = (
  rules: readonly Rule[],
  index: number,
  action: Exclude<RuleAction, 'release'>,
): Applied => {
  const rule = rules[index];
  if (rule === undefined) return { rules, focus: undefined };
  const others = rules.toSpliced(index, 1);
  const moved = (position: number) => ({
    rules: others.toSpliced(position, 0, rule),
    focus: rule.id,
  });
  const copy = { ...rule, id: newId() };
  switch (action) {
    case 'up':
      return moved(index - 1);
    case 'down':
      return moved(index + 1);
    case 'top':
      return moved(0);
    case 'duplicate':
      return { rules: rules.toSpliced(index + 1, 0, copy), focus: copy.id };
    case 'pause':
      return { rules: rules.with(index, { ...rule, percentage: 0 }), focus: rule.id };
    case 'delete':
      return { rules: others, focus: (others[index] ?? others.at(-1))?.id };
  }
};

/** Moves the focus to a rule once it is in its place. */
const useMovedFocus = (rules: readonly Rule[]) => {
  const wanted = useRef<string>(undefined);
  const [announcement, announce] = useState('');
  useEffect(() => {
    const rule = rules.find(({ id }) => id === wanted.current);
    wanted.current = undefined;
    if (rule) document.getElementById(toggleId(rule))?.focus();
  }, [rules]);
  const focusLater = (id: string): void => {
    wanted.current = id;
  };
  return { focusLater, announcement, announce };
};

/** Returns the rules that the flag has on the server, and its ramps. */
const useReleases = ({ api, environment, document: { key } }: TabProps) => {
  const { data: flag } = useQuery(flagOptions(api, environment, key));
  const { data: ramps } = useQuery(flagRampsOptions(api, environment, key));
  return { live: new Set(flag?.rules.map(({ id }) => id)), ramps: ramps ?? [] };
};

const useSources = (
  { api, environment, document }: TabProps,
  flags: readonly string[],
  attributes: string,
): Sources => {
  const { data } = useQuery(segmentsOptions(api, environment));
  return {
    api,
    environment,
    attributes,
    segments: (data?.items ?? []).map(({ key }) => key),
    flags: flags.filter(key => key !== document.key),
  };
};

const attributesOf = (condition: Condition): readonly string[] => {
  if ('attribute' in condition) return [condition.attribute];
  if ('any' in condition) return condition.any.flatMap(attributesOf);
  return 'all' in condition ? condition.all.flatMap(attributesOf) : [];
};

/** Attributes that the rules or the saved contexts have. */
export const useAttributes = ({
  api,
  environment,
  document: { rules },
}: TabProps): readonly string[] => {
  const { data } = useQuery(contextsOptions(api, environment));
  return useMemo(
    () =>
      [
        ...new Set([
          'targetingKey',
          ...rules.flatMap(({ conditions }) => conditions.flatMap(attributesOf)),
          ...(data?.items ?? []).flatMap(({ context }) => Object.keys(context)),
        ]),
      ].toSorted(),
    [data, rules],
  );
};
