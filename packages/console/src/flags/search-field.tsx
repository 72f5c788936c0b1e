import { useEffect, useId, useRef, useState } from 'react';

import { useKey } from '../app/use-key.ts';
import { t } from '../i18n/i18n.ts';
import { FILTER_NAMES, STATE_NAMES } from './search.ts';

type SearchFieldProps = {
  /** The search in the URL. */
  readonly value: string;
  readonly unknown: readonly string[];
  /** For an example of a filter. */
  readonly environment: string;
  readonly onChange: (value: string) => void;
};

/** The search of the list. The key `/` moves the focus to it. */
export const SearchField = ({ value, unknown, environment, onChange }: SearchFieldProps) => {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(value);
  useKey('/', () => {
    input.current?.focus();
    input.current?.select();
  });
  // The URL has changed otherwise, as by the history of the browser.
  useEffect(() => {
    if (document.activeElement !== input.current) setText(value);
  }, [value]);
  return (
    <div className="search">
      <label htmlFor={id} className="sr-only">
        {t('search.label')}
      </label>
      <input
        id={id}
        ref={input}
        type="search"
        className="input"
        value={text}
        placeholder={t('search.placeholder')}
        autoComplete="off"
        spellCheck={false}
        aria-describedby={`${id}-help`}
        aria-invalid={unknown.length > 0}
        aria-keyshortcuts="/"
        onChange={({ target }) => {
          setText(target.value);
          onChange(target.value);
        }}
      />
      <p id={`${id}-help`} className={unknown.length > 0 ? 'error' : 'hint'} role="status">
        {unknown.length > 0
          ? t('search.unknown', {
              words: unknown.join(' '),
              filters: FILTER_NAMES.map(name => `${name}:`).join(' '),
              states: STATE_NAMES.map(name => `${environment}:${name}`).join(' '),
            })
          : t('search.help', { environment })}
      </p>
    </div>
  );
};
