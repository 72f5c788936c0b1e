import { useId, useState } from 'react';

import { t } from '../i18n/i18n.ts';
import { DeleteDialog } from './delete-dialog.tsx';
import type { FlagDocument, FlagResponse } from './document.ts';
import { Findings } from './findings.tsx';
import { ParsedInput } from './parsed-input.tsx';
import type { TabProps } from './rules-tab.tsx';
import { parseTags } from './tags.ts';
import { findingsAt } from './use-check.ts';

type SettingsTabProps = TabProps & {
  /** The flag as the server has it. */
  readonly live: FlagResponse;
  readonly onDeleted: () => void;
};

/** What people call a flag and who owns it, who sees it, and its end. */
export const SettingsTab = ({ live, onDeleted, ...props }: SettingsTabProps) => {
  const { api, environment, document, check, mayWrite, onEdit } = props;
  const [isDeleted, setIsDeleted] = useState(false);
  const visibleId = useId();
  return (
    <section className="tab-body settings">
      <h2 className="sr-only">{t('flag.tab.settings')}</h2>
      <fieldset className="settings-fields" disabled={!mayWrite}>
        <legend className="sr-only">{t('flag.tab.settings')}</legend>
        <TextField {...props} field="name" />
        <TextField {...props} field="description" rows={4} />
        <TagsField {...props} />
        <TextField {...props} field="owner" />
        <div className="field">
          <label className="check">
            <input
              type="checkbox"
              checked={document.clientVisible}
              aria-describedby={visibleId}
              onChange={({ target }) => onEdit({ clientVisible: target.checked })}
            />
            {t('field.clientVisible')}
          </label>
          <p id={visibleId} className="hint">
            {t('settings.clientVisibleHint')}
          </p>
          <Findings problems={findingsAt(check.problems, 'clientVisible')} />
        </div>
      </fieldset>
      {mayWrite && (
        <div className="field">
          <h3>{t('settings.end')}</h3>
          <p className="hint">{t('settings.deleteHint', { environment })}</p>
          <button type="button" className="button danger" onClick={() => setIsDeleted(true)}>
            {t('settings.deleteFlag')}
          </button>
        </div>
      )}
      <DeleteDialog
        api={api}
        environment={environment}
        live={live}
        isOpen={isDeleted}
        onClose={() => setIsDeleted(false)}
        onDeleted={onDeleted}
      />
    </section>
  );
};

type FieldProps = Pick<TabProps, 'document' | 'check' | 'onEdit'>;

type TextFieldProps = FieldProps & {
  readonly field: 'name' | 'description' | 'owner';
  readonly rows?: number;
};

/** A text that a flag does not need: an empty one is removed. */
const TextField = ({ document, check, onEdit, field, rows }: TextFieldProps) => {
  const id = useId();
  const problems = findingsAt(check.problems, field);
  const shared = {
    id,
    className: 'input',
    value: document[field] ?? '',
    'aria-invalid': problems.length > 0,
    'aria-describedby': `${id}-problems`,
    onChange: ({ target }: { readonly target: { readonly value: string } }) =>
      onEdit({ [field]: target.value === '' ? null : target.value }),
  };
  return (
    <div className="field">
      <label htmlFor={id}>{t(`field.${field}`)}</label>
      {rows === undefined ? (
        <input {...shared} autoComplete="off" />
      ) : (
        <textarea {...shared} rows={rows} />
      )}
      <div id={`${id}-problems`}>
        <Findings problems={problems} />
      </div>
    </div>
  );
};

const formatTags = (tags: FlagDocument['tags']): string => (tags ?? []).join(', ');

const TagsField = ({ document, check, onEdit }: FieldProps) => {
  const id = useId();
  const problems = findingsAt(check.problems, 'tags');
  return (
    <div className="field">
      <label htmlFor={id}>{t('field.tags')}</label>
      <ParsedInput<string[]>
        id={id}
        value={[...(document.tags ?? [])]}
        parse={parseTags}
        format={formatTags}
        isInvalid={problems.length > 0}
        onChange={tags => onEdit({ tags: tags.length === 0 ? null : tags })}
      />
      <p className="hint">{t('settings.tagsHint')}</p>
      <Findings problems={problems} />
    </div>
  );
};
