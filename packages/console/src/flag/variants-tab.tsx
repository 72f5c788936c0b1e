import { useState } from 'react';

import { t } from '../i18n/i18n.ts';
import { JsonInput } from '../json/json-input.tsx';
import {
  EMPTY_VALUES,
  hasNoEffect,
  isSame,
  parseJson,
  type FlagDocument,
  type Json,
  type Rule,
} from './document.ts';
import { Findings } from './findings.tsx';
import { ParsedInput } from './parsed-input.tsx';
import { DefaultVariant, type TabProps } from './rules-tab.tsx';
import { describeValue } from './sentence.ts';

type FlagType = FlagDocument['type'];

/** The values of a flag by name. */
export const VariantsTab = ({ document, check, mayWrite, onEdit }: TabProps) => {
  const { type, variants } = document;
  const entries = Object.entries(variants);
  const setEntries = (next: readonly (readonly [string, Json])[]): void =>
    onEdit({ variants: Object.fromEntries(next) });
  return (
    <section className="tab-body">
      <h2 className="sr-only">{t('flag.tab.variants')}</h2>
      <Findings
        problems={check.problems.filter(
          ({ path }) => !/^rules\.\d/.test(path) && !(path === 'rules' && hasNoEffect(document)),
        )}
      />
      <fieldset className="variants" disabled={!mayWrite}>
        <legend className="sr-only">{t('field.variants')}</legend>
        {entries.map(([name, value], index) => (
          // Its place identifies a variant while its name is edited.
          <div key={index} className="variant" role="group" aria-label={name}>
            <VariantName
              name={name}
              names={Object.keys(variants)}
              onRename={next => onEdit(renamed(document, name, next))}
            />
            <ValueInput
              name={name}
              type={type}
              value={value}
              isReadOnly={!mayWrite}
              onChange={next => setEntries(entries.with(index, [name, next]))}
            />
            <button
              type="button"
              className="button quiet"
              aria-label={t('variant.remove', { name })}
              disabled={entries.length === 1}
              onClick={() => setEntries(entries.toSpliced(index, 1))}
            >
              ✕
            </button>
          </div>
        ))}
        <button
          type="button"
          className="button"
          onClick={() => setEntries([...entries, [freeName(variants), EMPTY_VALUES[type]]])}
        >
          {t('variant.add')}
        </button>
      </fieldset>
      <DefaultVariant document={document} mayWrite={mayWrite} onEdit={onEdit} />
    </section>
  );
};

const freeName = (variants: FlagDocument['variants']): string => {
  let number = Object.keys(variants).length + 1;
  while (Object.hasOwn(variants, `variant-${number}`)) number += 1;
  return `variant-${number}`;
};

/** Returns the fields of a flag that name a variant, with its new name. */
const renamed = (
  { variants, rules, defaultVariant }: FlagDocument,
  from: string,
  to: string,
): Partial<FlagDocument> => {
  const rename = (name: string): string => (name === from ? to : name);
  const renamedRule = (rule: Rule): Rule => ({
    ...rule,
    ...(rule.variant != null && { variant: rename(rule.variant) }),
    ...(rule.split != null && {
      split: rule.split.map(entry => ({ ...entry, variant: rename(entry.variant) })),
    }),
  });
  return {
    variants: Object.fromEntries(
      Object.entries(variants).map(([name, value]) => [rename(name), value]),
    ),
    rules: rules.map(renamedRule),
    defaultVariant: defaultVariant === null ? null : rename(defaultVariant),
  };
};

type VariantNameProps = {
  readonly name: string;
  readonly names: readonly string[];
  readonly onRename: (name: string) => void;
};

/** A name takes effect when the focus leaves it, because two variants cannot have the same name for a moment. */
const VariantName = ({ name, names, onRename }: VariantNameProps) => {
  const [typed, setTyped] = useState<string>();
  const text = typed ?? name;
  const isTaken = text !== name && names.includes(text);
  return (
    <div>
      <input
        className="input"
        aria-label={t('variant.name')}
        aria-invalid={isTaken}
        value={text}
        spellCheck={false}
        autoComplete="off"
        onChange={({ target }) => setTyped(target.value)}
        onBlur={() => {
          if (text !== name && text !== '' && !isTaken) onRename(text);
          setTyped(undefined);
        }}
      />
      {isTaken && <p className="error">{t('variant.taken')}</p>}
    </div>
  );
};

type ValueInputProps = {
  readonly name: string;
  readonly type: FlagType;
  readonly value: Json;
  readonly isReadOnly: boolean;
  readonly onChange: (value: Json) => void;
};

/** Returns the value that was written; the text itself, which the server refuses, if it is not of the type. */
const parseAs = (type: FlagType, text: string): Json => {
  if (type === 'string') return text;
  const value = parseJson(text);
  return value === undefined ? text : value;
};

const INDENTATION = 2;

const formatAs = (type: FlagType, value: Json): string =>
  type === 'object' && typeof value !== 'string'
    ? JSON.stringify(value, null, INDENTATION)
    : describeValue(value);

const ValueInput = (props: ValueInputProps) => {
  const { name, type, value, onChange } = props;
  const label = t('variant.value', { name });
  if (type === 'object') return <JsonValueInput {...props} />;
  if (type === 'boolean')
    return (
      <select
        className="input"
        aria-label={label}
        value={describeValue(value)}
        onChange={({ target }) => onChange(target.value === 'true')}
      >
        <option>true</option>
        <option>false</option>
      </select>
    );
  return (
    <ParsedInput<Json>
      label={label}
      value={value}
      parse={text => parseAs(type, text)}
      format={each => formatAs(type, each)}
      rows={type === 'string' ? 1 : undefined}
      onChange={onChange}
    />
  );
};

/** Shows what was typed as long as that stands for the value. */
const JsonValueInput = ({ name, type, value, isReadOnly, onChange }: ValueInputProps) => {
  const [typed, setTyped] = useState(() => formatAs(type, value));
  const text = isSame(parseAs(type, typed), value) ? typed : formatAs(type, value);
  const change = (next: string): void => {
    setTyped(next);
    onChange(parseAs(type, next));
  };
  return (
    <JsonInput
      label={t('variant.value', { name })}
      text={text}
      size="small"
      isReadOnly={isReadOnly}
      problems={parseJson(text) === undefined ? [{ message: t('variant.invalidJson') }] : []}
      onChange={change}
    />
  );
};
