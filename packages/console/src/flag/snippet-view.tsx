import { useState } from 'react';

import { t } from '../i18n/i18n.ts';
import {
  isForBrowsers,
  SNIPPET_LANGUAGES,
  snippetOf,
  type SnippetInput,
  type SnippetLanguage,
} from './snippets.ts';

const STORAGE_KEY = 'pennon-snippets';

/** The language in which this browser showed the last snippet. */
const readLanguage = (): SnippetLanguage =>
  SNIPPET_LANGUAGES.find(each => each === localStorage.getItem(STORAGE_KEY)) ?? 'node';

/** An evaluation as source code, in a language that the reader chooses. */
export const SnippetView = (input: SnippetInput) => {
  const { document, environment } = input;
  const [language, setLanguage] = useState(readLanguage);
  const code = snippetOf(language, input);
  const choose = (next: SnippetLanguage): void => {
    localStorage.setItem(STORAGE_KEY, next);
    setLanguage(next);
  };
  return (
    <div className="snippets">
      <div className="segments" role="group" aria-label={t('code.language')}>
        {SNIPPET_LANGUAGES.map(each => (
          <button
            key={each}
            type="button"
            className="button"
            aria-pressed={each === language}
            onClick={() => choose(each)}
          >
            {t(`code.language.${each}`)}
          </button>
        ))}
      </div>
      <p className="hint">
        {t(isForBrowsers(language) ? 'code.clientKey' : 'code.serverKey', { environment })}
      </p>
      {isForBrowsers(language) && !document.clientVisible && (
        <p className="warning">{t('code.notVisible')}</p>
      )}
      <pre className="snippet" tabIndex={0} dir="ltr" aria-label={t('code.snippet')} role="region">
        {code}
      </pre>
      <CopyButton key={code} text={code} />
    </div>
  );
};

/** Browsers let a page write to the clipboard by HTTPS, or on the same machine. */
const CopyButton = ({ text }: { readonly text: string }) => {
  const [isCopied, setIsCopied] = useState(false);
  if (!isSecureContext) return null;
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setIsCopied(true);
  };
  return (
    <p className="copy">
      <button type="button" className="button" onClick={() => void copy()}>
        {t('code.copy')}
      </button>
      <span role="status">{isCopied && t('code.copied')}</span>
    </p>
  );
};
