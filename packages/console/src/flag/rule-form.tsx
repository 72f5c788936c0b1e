import { useId } from 'react';

import { formatPercent } from '../i18n/format.ts';
import { t } from '../i18n/i18n.ts';
import { Choice, ConditionList, type Sources } from './condition-form.tsx';
import type { Rule, SplitEntry } from './document.ts';
import { ParsedInput } from './parsed-input.tsx';
import { shareOf } from './sentence.ts';

type RuleFormProps = {
  readonly rule: Rule;
  readonly variants: readonly string[];
  readonly sources: Sources;
  readonly onChange: (rule: Rule) => void;
};

/** All parts of a rule. */
export const RuleForm = ({ rule, variants, sources, onChange }: RuleFormProps) => (
  <>
    <h3>{t('rule.if')}</h3>
    {rule.conditions.length === 0 && <p className="hint">{t('rule.noConditions')}</p>}
    <ConditionList
      conditions={rule.conditions}
      sources={sources}
      onChange={conditions => onChange({ ...rule, conditions })}
    />
    <h3>{t('rule.then')}</h3>
    <ServedForm rule={rule} variants={variants} onChange={onChange} />
    <RolloutForm rule={rule} attributes={sources.attributes} onChange={onChange} />
  </>
);

type ServedFormProps = Pick<RuleFormProps, 'rule' | 'variants' | 'onChange'>;

const HALF = 50;

const ServedForm = ({ rule, variants, onChange }: ServedFormProps) => {
  const { variant: _, split: __, ...others } = rule;
  const split = rule.split ?? [];
  const isSplit = rule.variant == null;
  return (
    <div className="served">
      <select
        className="input"
        aria-label={t('rule.serves')}
        value={isSplit ? 'split' : 'variant'}
        onChange={({ target }) =>
          onChange(
            target.value === 'split'
              ? { ...others, split: variants.map(variant => ({ variant, weight: HALF })) }
              : { ...others, variant: split[0]?.variant ?? variants[0] ?? '' },
          )
        }
      >
        <option value="variant">{t('rule.oneVariant')}</option>
        <option value="split">{t('rule.split')}</option>
      </select>
      {isSplit ? (
        <SplitForm
          split={split}
          variants={variants}
          onChange={next => onChange({ ...others, split: next })}
        />
      ) : (
        <Choice
          label={t('rule.variant')}
          value={rule.variant ?? ''}
          choices={variants}
          onChange={variant => onChange({ ...others, variant })}
        />
      )}
    </div>
  );
};

/** The server refuses it with a message for the field. */
const INVALID_NUMBER = -1;

const parseNumber = (text: string): number =>
  text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : INVALID_NUMBER;

/** Percentages are at most 100, so a comma begins their decimals. */
const parsePercentage = (text: string): number => parseNumber(text.replace(',', '.'));

const formatNumber = (value: number): string => (value === INVALID_NUMBER ? '' : String(value));

type SplitFormProps = {
  readonly split: readonly SplitEntry[];
  readonly variants: readonly string[];
  readonly onChange: (split: readonly SplitEntry[]) => void;
};

const SplitForm = ({ split, variants, onChange }: SplitFormProps) => {
  const weightOf = (name: string) => split.find(({ variant }) => variant === name)?.weight;
  const names = [...new Set([...split.map(({ variant }) => variant), ...variants])];
  return (
    <div className="split">
      <SplitBar split={split} />
      {names.map(name => (
        <label key={name} className="split-entry">
          <bdi className="clipped">{name}</bdi>
          <ParsedInput
            label={t('rule.weight', { variant: name })}
            value={weightOf(name) ?? 0}
            parse={parseNumber}
            format={formatNumber}
            inputMode="decimal"
            onChange={weight => onChange(withWeight(split, name, weight))}
          />
          <span className="hint">
            {formatPercent(shareOf({ variant: name, weight: weightOf(name) ?? 0 }, split))}
          </span>
        </label>
      ))}
      <p className="hint">{t('rule.weightHint')}</p>
    </div>
  );
};

const withWeight = (
  split: readonly SplitEntry[],
  variant: string,
  weight: number,
): readonly SplitEntry[] =>
  split.some(entry => entry.variant === variant)
    ? split.map(entry => (entry.variant === variant ? { variant, weight } : entry))
    : [...split, { variant, weight }];

/** The shares of a split, which the sentence of its rule has as text. */
export const SplitBar = ({ split }: { readonly split: readonly SplitEntry[] }) => (
  <div className="split-bar" aria-hidden="true">
    {split.map(entry => (
      <span
        key={entry.variant}
        style={{ width: `${shareOf(entry, split)}%` }}
        title={entry.variant}
      />
    ))}
  </div>
);

type RolloutFormProps = Pick<RuleFormProps, 'rule' | 'onChange'> & { readonly attributes: string };

const RolloutForm = ({ rule, attributes, onChange }: RolloutFormProps) => {
  const id = useId();
  const change = (field: 'bucketBy' | 'seed', text: string): void => {
    const { [field]: _, ...others } = rule;
    onChange(text === '' ? others : { ...others, [field]: text });
  };
  return (
    <div className="rollout">
      <div>
        <label htmlFor={`${id}-percentage`}>{t('rule.percentage')}</label>
        <ParsedInput
          id={`${id}-percentage`}
          value={rule.percentage ?? null}
          parse={text => (text.trim() === '' ? null : parsePercentage(text))}
          format={value => (value === null ? '' : formatNumber(value))}
          inputMode="decimal"
          placeholder="100"
          onChange={percentage => {
            const { percentage: _, ...others } = rule;
            onChange(percentage === null ? others : { ...others, percentage });
          }}
        />
        <p className="hint">{t('rule.percentageHint')}</p>
      </div>
      <div>
        <label htmlFor={`${id}-by`}>{t('rule.bucketBy')}</label>
        <input
          id={`${id}-by`}
          className="input"
          list={attributes}
          value={rule.bucketBy ?? ''}
          placeholder="targetingKey"
          autoComplete="off"
          spellCheck={false}
          onChange={({ target }) => change('bucketBy', target.value)}
        />
        <p className="hint">{t('rule.bucketByHint')}</p>
      </div>
      <div>
        <label htmlFor={`${id}-seed`}>{t('rule.seed')}</label>
        <input
          id={`${id}-seed`}
          className="input"
          value={rule.seed ?? ''}
          placeholder={t('rule.seedDefault')}
          autoComplete="off"
          spellCheck={false}
          onChange={({ target }) => change('seed', target.value)}
        />
        <p className="hint">{t('rule.seedHint')}</p>
      </div>
    </div>
  );
};
