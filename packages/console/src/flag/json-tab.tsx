import { useState } from 'react';

import { t } from '../i18n/i18n.ts';
import { JsonInput } from '../json/json-input.tsx';
import { isSame } from './document.ts';
import { formatDocument, parseDocument } from './json-document.ts';
import type { TabProps } from './rules-tab.tsx';

/** The whole flag as JSON, which changes with the forms, and which changes them. */
export const JsonTab = ({ document, check, mayWrite, onEdit }: TabProps) => {
  const [typed, setTyped] = useState(() => ({ text: formatDocument(document), document }));
  const text = isSame(typed.document, document) ? typed.text : formatDocument(document);
  const parsed = parseDocument(text, document);
  const change = (next: string): void => {
    const result = parseDocument(next, document);
    const edited = 'document' in result ? result.document : document;
    setTyped({ text: next, document: edited });
    if (edited !== document) onEdit(edited);
  };
  return (
    <section className="tab-body json-tab">
      <h2 className="sr-only">{t('flag.tab.json')}</h2>
      <JsonInput
        label={t('json.label')}
        text={text}
        size="large"
        isReadOnly={!mayWrite}
        problems={'problems' in parsed ? parsed.problems : check.problems}
        warnings={check.warnings}
        onChange={change}
      />
    </section>
  );
};
